"""What every page looks like, in light and dark, wide and narrow; and what axe-core finds of it."""

import watching
from webdriver import expect
from world import APPID, HOSTILE, SEGMENTS, STITCHED, TOKEN

GRAVE = ("serious", "critical")
AXE = (
    "const done = arguments[arguments.length - 1];"
    "axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) => done(violations.map("
    "  ({ id, impact, nodes }) => ({ id, impact, where: nodes.map(({ target }) => target.join(' ')).slice(0, 5) }))))"
)
WIDE, NARROW, TALL = (1280, 900), (360, 740), (1280, 1900)


def examine(browser, world, name):
    """Keeps a picture of the page, and fails for what people who hear it or use keys would stumble over."""
    (world.artefacts / f"{name}.png").write_bytes(browser.picture())
    browser.run(world.axe)
    found = [finding for finding in browser.run_async(AXE) if finding["impact"] in GRAVE]
    expect(f"axe finds nothing grave on {name}", not found, found)
    wider = browser.run("return document.documentElement.scrollWidth - innerWidth")
    expect(f"{name} is not wider than its window", wider <= 0, wider)


def every_page(world):
    """Each page, in each language, scheme and width."""
    for language, dark, size, tall in (
        ("zh-CN", False, WIDE, TALL),
        ("en-US", True, WIDE, TALL),
        ("zh-CN", True, NARROW, (360, 2600)),
        ("en-US", False, NARROW, (360, 2600)),
    ):
        which = f"{language[:2]}-{'dark' if dark else 'light'}-{size[0]}"
        with world.browser(language, size, dark) as browser:
            browser.open(f"{world.open.url}/?account={APPID}")
            browser.see(".card")
            browser.until(
                "a cover",
                "const cover = document.querySelector('.cover img'); return cover?.complete && cover.naturalWidth > 0",
            )
            examine(browser, world, f"rooms-{which}")
            browser.open(f"{world.guarded.url}/login?error=token")
            browser.see("#error")
            examine(browser, world, f"login-{which}")
            browser.size(tall)
            watching.watch(browser, world.open.room(STITCHED), 6)
            browser.see("#evidence h2")
            examine(browser, world, f"room-{which}")


def odd_pages(world):
    """The help, a room of an odd name, one that does not exist, the player alone."""
    with world.browser("zh-CN", WIDE) as browser:
        watching.watch(browser, world.open.room(SEGMENTS), 29)
        browser.press("?")
        browser.see("dialog")
        examine(browser, world, "help")
        watching.watch(browser, world.open.room(HOSTILE))
        browser.see("#evidence h2")
        examine(browser, world, "odd-name")
        browser.open(world.open.room(99999))
        facts = "return document.querySelector('#facts').textContent === arguments[0]"
        browser.until("it says so", facts, "这个直播间没有归档。")
        examine(browser, world, "no-room")
    link = world.guarded.embed(SEGMENTS, TOKEN)
    with world.browser("zh-CN", (360, 640)) as browser:
        watching.watch(browser, link)
        watching.play(browser)
        examine(browser, world, "embed")


ALL = [every_page, odd_pages]
