"""The page that lists the rooms: finds them, pages through them, speaks two languages, runs nothing it is told."""

from webdriver import expect
from world import APPID, GENERATED, HOSTILE, MARKUP, NAMELESS, OTHER

NAMED = 7
PER_PAGE = 48
CARDS = "return document.querySelectorAll('.card').length"
NAMES = "return [...document.querySelectorAll('.card h2')].map((name) => name.textContent)"


def await_cards(browser, count):
    """Waits until so many rooms are shown, and nothing is on its way."""
    idle = f"{CARDS} === arguments[0] && !document.querySelector('#rooms[aria-busy]')"
    browser.until(f"{count} cards", idle, count)


def choose(browser, selector, value):
    """Sets a field as a person would who picks a value."""
    browser.run(
        "const field = document.querySelector(arguments[0]); field.value = arguments[1];"
        "field.dispatchEvent(new Event('change', { bubbles: true }))",
        selector,
        value,
    )


def pages_and_accounts(world):
    """All rooms are reached, page by page, and those of the other account."""
    with world.browser("zh-CN") as browser:
        browser.open(world.open.url)
        await_cards(browser, PER_PAGE)
        browser.click("#more")
        await_cards(browser, NAMED + GENERATED)
        expect("no further page", browser.run("return document.querySelector('#more').hidden"))
        focused = browser.run("return [...document.querySelectorAll('.card a')].indexOf(document.activeElement)")
        expect("the focus is on the first new card", focused == PER_PAGE, focused)
        choose(browser, "#account", OTHER)
        await_cards(browser, 1)
        expect("the other account's room", browser.run(NAMES) == ["另一个账号"], browser.run(NAMES))


def finds_rooms(world):
    """Words, status and day narrow the list; the address keeps them."""
    with world.browser("zh-CN") as browser:
        browser.open(world.open.url)
        await_cards(browser, PER_PAGE)
        browser.type("#q", "会员")
        await_cards(browser, 1)
        browser.open(browser.url)
        await_cards(browser, 1)
        expect("the words survive a reload", browser.run("return document.querySelector('#q').value") == "会员")
        browser.click("#clear")
        await_cards(browser, PER_PAGE)
        browser.run("document.querySelector('[name=status][value=lost]').click()")
        await_cards(browser, 0)
        expect("it says that there is none", browser.see("#count") == "没有符合条件的直播间。")
        browser.click("#clear")
        await_cards(browser, PER_PAGE)
        choose(browser, "#to", "2000-01-01")
        await_cards(browser, 0)


def only_the_last_search_counts(world):
    """An answer that comes late is not shown in place of what was asked for afterwards."""
    with world.browser("en-US") as browser:
        browser.open(world.open.url)
        await_cards(browser, PER_PAGE)
        browser.run(
            "const answer = fetch; window.fetch = (url, options) => new Promise((done, failed) => {"
            "  const late = String(url).includes('q=late') ? 600 : 0;"
            "  window.asked = (window.asked ?? []).concat(String(url));"
            "  setTimeout(() => answer(url, options).then(done, failed), late) })"
        )
        search = (
            "document.querySelector('#q').value = arguments[0];" "document.querySelector('#filters').requestSubmit()"
        )
        browser.run(search, "late")
        browser.run(search, "会员")
        await_cards(browser, 1)
        done = "return !performance.getEntriesByType('resource').some(({ name }) => name.includes('q=late'))"
        browser.run_async("setTimeout(arguments[0], 800)")
        expect("the first search was given up", browser.run(done) and browser.run(CARDS) == 1)


def names_are_text(world):
    """Markup in a name is shown as it was written; a room without a name has its number; Arabic runs to the left."""
    with world.browser("zh-CN") as browser:
        for path in (f"/?account={APPID}&q=img", f"/rooms/{APPID}/{HOSTILE}"):
            browser.open(world.open.url + path)
            browser.until("the name as text", "return document.body.textContent.includes(arguments[0])", MARKUP)
            found = browser.run(
                "return document.title === 'owned' || document.querySelectorAll('main img[src=x], main b').length"
            )
            expect("nothing of a name is run", not found, found)
        browser.open(f"{world.open.url}/rooms/{APPID}/{NAMELESS}")
        browser.until(
            "the number for a name",
            "return document.querySelector('h1').textContent === arguments[0]",
            f"直播间 {NAMELESS}",
        )
        browser.open(f"{world.open.url}/?account={APPID}&order=newest&q=مرحبا")
        await_cards(browser, 1)
        direction = browser.run("return getComputedStyle(document.querySelector('.card a')).direction")
        expect("Arabic runs to the left", direction == "rtl", direction)


def speaks_two_languages(world):
    """The language is the browser's, until somebody switches it."""
    for language, rooms, switched in (("zh-CN", "直播间", "Rooms"), ("en-US", "Rooms", "直播间")):
        with world.browser(language) as browser:
            browser.open(world.open.url)
            expect(f"{language} at first", browser.see("h1") == rooms, browser.see("h1"))
            browser.click("#language")
            heading = "return document.querySelector('h1')?.textContent === arguments[0]"
            browser.until("the other language", heading, switched)
            browser.open(world.open.room(1))
            browser.until(
                "it is remembered",
                "return document.documentElement.lang.startsWith(arguments[0])",
                "en" if language == "zh-CN" else "zh",
            )
            browser.see("#evidence h2")


def says_what_is_deleted_soonest(world):
    """The banner is there where the last run published a deadline."""
    with world.browser("en-US") as browser:
        browser.open(world.open.url)
        shown = browser.see("#banner p")
        expect("the banner names the deadline", "WeChat deletes next" in shown, shown)


ALL = [
    pages_and_accounts,
    finds_rooms,
    only_the_last_search_counts,
    names_are_text,
    speaks_two_languages,
    says_what_is_deleted_soonest,
]
