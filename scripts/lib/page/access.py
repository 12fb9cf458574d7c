"""Who may see what, as a browser meets it: the login, and links for web-views."""

import watching
from webdriver import expect
from world import APPID, SEGMENTS, STITCHED, TOKEN


def nothing_without_a_token(world):
    """Pages lead to the login; the API and the films are refused."""
    guarded = world.guarded
    for path in ("/", f"/rooms/{APPID}/{STITCHED}"):
        status, _ = guarded.get(path)
        expect(f"{path} leads to the login", status == 303, status)
    for path in (
        "/api/v1/accounts",
        f"/api/v1/accounts/{APPID}/rooms",
        f"/api/v1/accounts/{APPID}/rooms/{STITCHED}/playback",
    ):
        for token in (None, TOKEN[::-1]):
            status, _ = guarded.get(path, token)
            expect(f"{path} is refused", status == 401, status)
    film = guarded.playback(SEGMENTS, TOKEN)["segments"][0]["url"]
    expect("a link works", guarded.get(film)[0] == 200)
    status, _ = guarded.get(film.split("?")[0])
    expect("a film without its signature is refused", status in (401, 403), status)


def signs_in_and_out(world):
    """A wrong token is said to be wrong, in both languages; the right one leads to where somebody wanted to go."""
    for language, wrong in (("zh-CN", "令牌不正确。"), ("en-US", "The token is not correct.")):
        with world.browser(language) as browser:
            browser.open(world.guarded.room(STITCHED))
            browser.see("#login")
            browser.type("#token", "wrong")
            browser.click("#login button")
            expect("it says so", browser.see("#error") == wrong)
            browser.type("#token", TOKEN)
            browser.click("#login button")
            browser.until("the room", "return location.pathname === arguments[0]", f"/rooms/{APPID}/{STITCHED}")
            browser.see(".bar")
            browser.see("#logout")
            expect("no script reads the cookie", browser.run("return document.cookie") == "")
            browser.click("#logout")
            browser.see("#login")


def a_link_plays_one_room(world):
    """An embed link plays its room without a token, and no other."""
    link = world.guarded.embed(STITCHED, TOKEN)
    with world.browser("zh-CN", (360, 640)) as browser:
        watching.watch(browser, link)
        watching.play(browser)
        for broken in (
            link.replace(f"/{APPID}/{STITCHED}", f"/{APPID}/{SEGMENTS}"),
            link[:-1] + ("0" if link[-1] != "0" else "1"),
        ):
            browser.open(broken)
            browser.until(
                "a refusal", "return document.querySelector('.failure') || !document.querySelector('#player')"
            )


ALL = [nothing_without_a_token, signs_in_and_out, a_link_plays_one_room]
