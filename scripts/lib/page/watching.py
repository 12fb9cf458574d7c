"""The player: films play, over joints and gaps, from wherever somebody goes, and over URLs that have expired."""

from webdriver import expect
from world import GAP_SECONDS, SEGMENTS, SEGMENT_SECONDS, STITCHED, WHOLE, WHOLE_SECONDS

SHOWN = "document.querySelector('.screen video:not(.behind)')"
NOW = "Number(document.querySelector('.bar').ariaValueNow)"
MOVING = f"const video = {SHOWN}; return !video.paused && video.readyState > 2"
TO_CLOCK = (
    "document.querySelector('.to-clock input').value = arguments[0];"
    "document.querySelector('.to-clock').requestSubmit()"
)
GAP_BEGINS = 2 * SEGMENT_SECONDS
GAP_ENDS = GAP_BEGINS + GAP_SECONDS
TOTAL = GAP_ENDS + SEGMENT_SECONDS
# The page gets another answer than the server's where its playback is asked for.
CHANGED_PLAYBACK = (
    "const change = (how) => { const answer = fetch; window.fetch = async (...asked) => {"
    "  const got = await answer(...asked); if (!String(asked[0]).includes('/playback')) return got;"
    "  const body = await got.json(); how(body, got); return new Response(JSON.stringify(body), got) } };"
    "change((body, got) => {"
)
RIGHT, DOWN, END, ESCAPE = "\ue014", "\ue015", "\ue010", "\ue00c"


def watch(browser, url, at=0):
    """Opens a room's page at a time, and waits until there is a picture."""
    browser.open(f"{url}{'&' if '?' in url else '?'}t={at}")
    browser.see(".bar")
    browser.until("a picture", f"return {SHOWN}.readyState > 1 && !{SHOWN}.seeking")


def play(browser):
    """Plays, and waits until the pictures move."""
    frames = f"return {SHOWN}.getVideoPlaybackQuality().totalVideoFrames"
    before = browser.run(frames)
    browser.press("k")
    browser.until(
        "the film moves", f"return {SHOWN}.getVideoPlaybackQuality().totalVideoFrames > arguments[0] + 5", before
    )


def await_position(browser, least, most):
    """Waits until the player says that it is there."""
    browser.until(f"{least} to {most} s", f"return {NOW} >= arguments[0] && {NOW} <= arguments[1]", least, most)


def picture_at(browser, key, position):
    """The picture after a key, when it stands still."""
    browser.press(key)
    browser.until(
        f"the picture at {position} s",
        f"return {NOW} === arguments[0] && !{SHOWN}.seeking && {SHOWN}.readyState > 1",
        position,
    )
    return browser.picture(".screen video:not(.behind)")


def over_joints_and_the_gap(world, number):
    """Plays a room from the beginning to the end, at once."""
    with world.browser("en-US") as browser:
        watch(browser, world.open.room(number))
        gap = browser.run(
            "const { left, width } = document.querySelector('.track .gap').style; return [left, width].map(parseFloat)"
        )
        wanted = [100 * GAP_BEGINS / TOTAL, 100 * GAP_SECONDS / TOTAL]
        expect("the gap is on the bar", all(abs(a - b) < 1 for a, b in zip(gap, wanted)), gap)
        expect("the gap is a chapter", "Gap of 20 sec" in browser.see("#chapters .gap"), browser.see("#chapters .gap"))
        play(browser)
        await_position(browser, SEGMENT_SECONDS, GAP_BEGINS)
        expect("it plays over the joint", browser.run(MOVING))
        await_position(browser, GAP_ENDS, TOTAL)
        expect("it tells of the gap", browser.see(".notice") == "Skipped a gap of 20 sec.", browser.see(".notice"))
        browser.until("the end", f"return {SHOWN}.ended || !document.querySelector('.start').hidden")
        browser.press("k")
        await_position(browser, 0, 2)
        expect("nothing failed", not browser.complaints())


def segments_play(world):
    """Segments that cannot be stitched play as one timeline."""
    over_joints_and_the_gap(world, SEGMENTS)


def a_stitched_film_plays(world):
    """The stitched film plays in broadcast time."""
    preferred = world.open.playback(STITCHED)["preferred"]
    expect("the film is preferred", preferred == "stitched", preferred)
    over_joints_and_the_gap(world, STITCHED)


def a_whole_plays(world):
    """HLS plays by hls.js, and by the browser where there are no media sources."""
    with world.browser("zh-CN") as browser:
        watch(browser, world.open_proxy.room(WHOLE), 2)
        play(browser)
        await_position(browser, 3, WHOLE_SECONDS)
        expect("hls.js plays", browser.run(f"return {SHOWN}.currentSrc.startsWith('blob:')"))
    with world.browser("zh-CN") as browser:
        browser.before_each_page(
            "delete window.MediaSource; delete window.ManagedMediaSource; delete window.WebKitMediaSource"
        )
        watch(browser, world.open_proxy.room(WHOLE), 2)
        play(browser)
        await_position(browser, 3, WHOLE_SECONDS)
        expect("the browser plays", ".m3u8" in browser.run(f"return {SHOWN}.currentSrc"))


def goes_where_somebody_wants(world):
    """Keys, the bar, the clock of Beijing, chapters and links all lead to the right second."""
    with world.browser("en-US") as browser:
        watch(browser, world.open.room(SEGMENTS))
        one = picture_at(browser, RIGHT, 5)
        expect("another second, another picture", one != picture_at(browser, "j", 0))
        picture_at(browser, "9", 28)
        browser.run("document.querySelector('.bar').focus()")
        picture_at(browser, END, TOTAL - 1)
        browser.click(".bar")
        # The middle of the bar is in the gap.
        await_position(browser, GAP_ENDS, GAP_ENDS)
        browser.run("document.querySelector('#chapters button').click()")
        await_position(browser, 0, 2)
        browser.press("k")
        # The time of day of the first second, and six more.
        start = browser.run("return document.querySelector('.clock').textContent.match(/[0-9:]{8}/)[0]")
        at = sum(int(part) * unit for part, unit in zip(start.split(":"), (3600, 60, 1)))
        position = browser.run(f"return {NOW}")
        at = (at - position + 6) % 86400
        clock = f"{at // 3600:02}:{at // 60 % 60:02}:{at % 60:02}"
        browser.run(
            TO_CLOCK,
            clock,
        )
        await_position(browser, 6, 6)
        browser.run(
            TO_CLOCK,
            "00:00:01" if at > 7200 else "12:00:00",
        )
        expect("it says what is outside", "does not contain" in browser.see(".notice"), browser.see(".notice"))


def plays_as_fast_as_wanted(world):
    """The speed holds over joints, and is remembered with the place where somebody stopped."""
    with world.browser("en-US") as browser:
        watch(browser, world.open.room(SEGMENTS))
        browser.run(
            "const speed = document.querySelector('.speed'); speed.value = '3';"
            "speed.dispatchEvent(new Event('change'))"
        )
        play(browser)
        await_position(browser, SEGMENT_SECONDS, GAP_BEGINS)
        expect("three times as fast", browser.run(f"return {SHOWN}.playbackRate") == 3)
        browser.press("k")
        browser.press("5")
        await_position(browser, GAP_ENDS, GAP_ENDS)
        browser.open(world.open.room(SEGMENTS))
        expect("it resumes", "Resuming at 0:28" in browser.see(".notice"), browser.see(".notice"))
        expect("the speed is remembered", browser.run("return document.querySelector('.speed').value") == "3")


def needs_no_mouse(world):
    """Keys do everything, a screen reader hears where it is, and keys that scroll the page still do."""
    with world.browser("en-US") as browser:
        watch(browser, world.open.room(SEGMENTS), 5)
        heard = browser.run("return document.querySelector('[role=slider]').ariaValueText")
        expect(
            "a screen reader hears the place",
            heard.startswith("5 seconds of 32 seconds, ") and heard.endswith(" Beijing time"),
            heard,
        )
        missing = browser.run(
            "return ['playsinline', 'webkit-playsinline', 'x5-playsinline', 'x5-video-player-type'].filter("
            "  (name) => [...document.querySelectorAll('video')].some((video) => !video.hasAttribute(name)))"
        )
        expect("films stay in the page", not missing, missing)
        browser.press("m")
        browser.until("it is mute", f"return {SHOWN}.muted && document.querySelector('[data-shows=muted]')")
        browser.press(">")
        browser.until("it is faster", f"return {SHOWN}.playbackRate === 1.25")
        browser.press(DOWN)
        browser.until("the page scrolls", f"return scrollY > 0 && {SHOWN}.volume === 1")
        browser.run("document.querySelector('#player').focus()")
        browser.press(DOWN)
        browser.until("it is quieter", f"return {SHOWN}.volume < 1 && !{SHOWN}.muted")
        browser.press("?")
        browser.see("dialog")
        browser.press(ESCAPE)
        browser.until("the help is gone", "return !document.querySelector('dialog').open")
        browser.press("f")
        browser.until("it fills the screen", "return document.fullscreenElement?.id === 'player'")
        browser.press("f")
        browser.until("it does no more", "return !document.fullscreenElement")


def recovers_from_an_expired_url(world):
    """A link that the server no longer knows is asked for again, and the film resumes at the same second."""
    with world.browser("en-US") as browser:
        watch(browser, world.open_proxy.room(SEGMENTS))
        play(browser)
        # With another key every link is void. The last segment is not loaded yet.
        world.open_proxy.start()
        browser.press("9")
        await_position(browser, GAP_ENDS, TOTAL)
        browser.until("it plays", MOVING)
        refused = [line for line in browser.complaints() if "403" in line or "401" in line]
        expect("a link was refused", refused)


def a_whole_recovers(world):
    """So is a link of a chunk, by hls.js."""
    with world.browser("en-US") as browser:
        # Until the playback is asked for again, the signatures of chunks are wrong.
        browser.before_each_page(
            CHANGED_PLAYBACK + "window.answers = (window.answers ?? 0) + 1 });"
            "const open = XMLHttpRequest.prototype.open; XMLHttpRequest.prototype.open = function (how, url, ...more) {"
            "  const isChunk = !url.includes('.m3u8') && window.answers < 2;"
            "  open.call(this, how, isChunk ? url.replace(/s=./, 's=!') : url, ...more) }"
        )
        watch(browser, world.open_proxy.room(WHOLE), 5)
        play(browser)
        await_position(browser, 6, WHOLE_SECONDS)
        expect("it asked again", browser.run("return window.answers") == 2)


def renews_urls_before_they_expire(world):
    """Where the lifetime of the URLs is over, none of them is tried."""
    asked = "return performance.getEntriesByType('resource').filter(({ name }) => name.endsWith('/playback')).length"
    with world.browser("en-US") as browser:
        # The server's links last a minute at least; the page is told six seconds, and counts on one.
        browser.before_each_page(
            CHANGED_PLAYBACK + "body.urls_expire_at = new Date(Date.parse(got.headers.get('date')) + 6000) })"
        )
        watch(browser, world.open.room(SEGMENTS))
        expect("it asked once", browser.run(asked) == 1)
        browser.until(
            "the URLs expire", "return performance.now() > arguments[0]", browser.run("return performance.now()") + 1000
        )
        browser.press("9")
        await_position(browser, GAP_ENDS, TOTAL)
        expect("it asked again", browser.run(asked) == 2, browser.run(asked))
        play(browser)


def survives_an_outage(world):
    """Where the server is away for a moment the player tries again; where it has gone for good it says so."""
    broken = (
        "const answer = fetch; window.fetch = async (...asked) => {"
        "  if (String(asked[0]).includes('/playback') && window.broken-- > 0) throw new TypeError('away');"
        "  return answer(...asked) }"
    )
    for outages, shown in ((2, None), (9, "The server cannot be reached.")):
        with world.browser("en-US") as browser:
            watch(browser, world.open_proxy.room(SEGMENTS))
            browser.run(broken + f"; window.broken = {outages}")
            world.open_proxy.start()
            browser.press("9")
            if shown:
                browser.until(
                    "it says so",
                    "return document.querySelector('.screen .failure').textContent.includes(arguments[0])",
                    shown,
                )
                browser.run("window.broken = 0; document.querySelector('.screen .failure button').click()")
            await_position(browser, GAP_ENDS, TOTAL)
            browser.until("a picture", f"return {SHOWN}.readyState > 1")


def says_why_nothing_plays(world):
    """A film that is gone is said to be, with a way to try again."""
    with world.browser("en-US") as browser:
        browser.before_each_page(CHANGED_PLAYBACK + "for (const segment of body.segments) segment.url = '/gone.mp4' })")
        browser.open(world.open.room(SEGMENTS))
        browser.until(
            "the failure",
            "const failure = document.querySelector('.screen .failure'); return failure && !failure.hidden",
        )
        buttons = browser.run(
            "return [...document.querySelectorAll('.screen .failure button')].map((button) => button.textContent)"
        )
        expect("what can be done", buttons == ["Try again", "Play the next segment"], buttons)


ALL = [
    segments_play,
    a_stitched_film_plays,
    a_whole_plays,
    goes_where_somebody_wants,
    plays_as_fast_as_wanted,
    needs_no_mouse,
    recovers_from_an_expired_url,
    a_whole_recovers,
    renews_urls_before_they_expire,
    survives_an_outage,
    says_why_nothing_plays,
]
