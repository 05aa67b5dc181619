"""Drives the page of `cartwright view` in a headless Chromium: test_view_page.py PAGE."""
import json, re, sys

sys.dont_write_bytecode = True
from browser import Browser

number = 0


def ok(good, name, found=None):
    global number
    number += 1
    print("%sok %d - %s" % ("" if good else "not ", number, name))
    if not good and found is not None:
        print("# found: %s" % (found,))


def same(found, expected, name):
    ok(found == expected, name, "%r instead of %r" % (found, expected))


HASH, TEXT = "location.hash", "document.getElementById('main').innerText"
COUNT = "document.querySelectorAll(%r).length"
WIDTH = "document.documentElement.scrollWidth"
# The least contrast of a text with the ground behind it.
CONTRAST = """(() => {
  const lum = (c) => { const v = c.match(/[\\d.]+/g).slice(0, 3).map((x) => { x /= 255; return x <= .04045 ? x / 12.92 : ((x + .055) / 1.055) ** 2.4; });
    return .2126 * v[0] + .7152 * v[1] + .0722 * v[2]; };
  const ground = (e) => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor; if (!/, 0\\)$/.test(c)) return c; } return 'rgb(255,255,255)'; };
  let least = 99, who = '';
  for (const e of document.querySelectorAll('main *, header *')) {
    if (e.closest('svg, [aria-disabled]') || ![...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim())) continue;
    const a = lum(getComputedStyle(e).color), b = lum(ground(e)), c = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
    if (c < least) { least = c; who = e.tagName + '.' + e.className; }
  }
  return [least, who]; })()"""


def results(browser):
    browser.go("#results")
    same(browser.run("document.querySelector('h1').innerText"), "How good are the agents?", "the results come first")
    same(browser.run(COUNT % ".results tbody tr"), 4, "a row for each agent")
    same(browser.run(COUNT % "svg.chart"), 2, "two learning curves")
    ok("of the 20 goals" in browser.run("document.querySelector('.verdict').innerText"), "a sentence says how good the best agent is")
    ok(browser.run(COUNT % ".counts") >= 2, "what went wrong is counted")
    links = browser.run("[...new Set([...document.querySelectorAll('a[href^=\"#\"]')].map((a) => a.getAttribute('href')))]")
    lost = []
    for link in links:
        if link == "#main":
            continue
        browser.go(link)
        if "Not in this page" in browser.run(TEXT) or browser.run(COUNT % "h1") != 1:
            lost.append(link)
        if link.startswith("#episodes") and browser.run(COUNT % ".episodes tbody tr") == 0:
            lost.append(link)
    same(lost, [], "every link leads to something")


def filters(browser):
    browser.go("#episodes")
    same(browser.run(COUNT % ".episodes tbody tr"), 80, "all episodes are listed")
    change = "(() => { const s = [...document.querySelectorAll('select')].find((s) => s.parentElement.innerText.startsWith(%r)); " \
             "s.value = [...s.options].find((o) => o.text.startsWith(%r)).value; s.dispatchEvent(new Event('change')); " \
             "return new Promise((done) => setTimeout(done, 50)); })()"
    browser.run(change % ("Agent", "expert"))
    same(browser.run(HASH), "#episodes?agent=expert", "a filter is in the address")
    same(browser.run(COUNT % ".episodes tbody tr"), 20, "one agent's episodes")
    browser.run(change % ("Outcome", "succeeded"))
    succeeded = browser.run(COUNT % ".episodes tbody tr")
    browser.run(change % ("Outcome", "failed"))
    same(succeeded + browser.run(COUNT % ".episodes tbody tr"), 20, "succeeded and failed ones are all")
    browser.go("#episodes?agent=random&outcome=failed")
    n = browser.run(COUNT % ".episodes tbody tr")
    browser.run(change % ("What went wrong", "ran out of steps"))
    ok(0 < browser.run(COUNT % ".episodes tbody tr") <= n, "what went wrong filters")
    category = browser.run("document.querySelector('.episodes tbody tr [data-heading=category]').innerText")
    browser.run(change % ("Category", category))
    same(browser.run("[...new Set([...document.querySelectorAll('.episodes tbody tr [data-heading=category]')].map((e) => e.innerText))]"),
         [category], "a category filters")


def steps(browser):
    browser.go("#episode/final-greedy/1/1")
    n = browser.run(COUNT % ".strip li")
    same(browser.run("document.querySelector('.strip [aria-current=step]').innerText"), "1", "the address says which step")
    same(browser.run(COUNT % ".candidates tr.taken"), 1, "the agent's choice is marked")
    same(browser.run(COUNT % ".mark.advised"), 1, "so is the expert's")
    total = browser.run("stepOf(episodeOn(GROUPS.find((g) => g.slug === 'final-greedy'), 1), 0).probabilities.reduce((a, b) => a + b)")
    ok(abs(total - 1) < 1e-3, "the probabilities are those of all candidates", total)
    same(browser.run("document.querySelectorAll('.candidates tbody tr').length"),
         browser.run("stepOf(episodeOn(GROUPS.find((g) => g.slug === 'final-greedy'), 1), 0).candidates.length"), "every candidate is shown")
    same(browser.run(COUNT % ".reward tbody tr"), 4, "and the parts of the reward")
    for key, expected in (("ArrowRight", 2), ("j", 3), ("k", 2), ("ArrowLeft", 1), ("End", n), ("Home", 1)):
        browser.press(key)
        same(browser.run(HASH), "#episode/final-greedy/1/%d" % min(expected, n), "key " + key)
    same(browser.run("document.getElementById('spoken').innerText")[:10], "Step 1 of ", "a step is spoken")
    browser.press("n")
    same(browser.run(HASH), "#episode/final-greedy/2/1", "key n: the next episode")
    browser.press("p")
    browser.press("c")
    same(browser.run(HASH), "#compare/final-greedy/expert/1/1", "key c: set against the expert")
    same(browser.run(COUNT % ".column"), 2, "two agents side by side")
    browser.press("ArrowRight")
    same(browser.run(HASH), "#compare/final-greedy/expert/1/2", "keys step both")
    browser.press("e")
    same(browser.run(HASH), "#episodes", "key e: the list")
    same(browser.run("document.activeElement.tagName"), "H1", "the focus goes to what is new")
    browser.press("?")
    ok(browser.run("document.getElementById('help').open"), "key ?: the keys")
    browser.press("Escape")
    ok(not browser.run("document.getElementById('help').open"), "Escape closes them")
    ground = browser.run("getComputedStyle(document.body).backgroundColor")
    browser.press("t")
    ok(ground != browser.run("getComputedStyle(document.body).backgroundColor"), "key t: light or dark")
    browser.press("t")


def hostile(browser):
    browser.go("#episode/final-greedy/0/1")
    ok('</script><img src=x onerror="hacked=1">' in browser.run(TEXT), "markup in an observation is text")
    ok("<b>bold</b>" in browser.run("document.querySelector('.candidates').innerText"), "and in a candidate")
    browser.go("#episodes?category=" + "%3Ci%3Ekind%3C%2Fi%3E")
    ok("<i>kind</i>" in browser.run(TEXT), "and in a fact")
    browser.go("#episodes?words=%3Cimg%20src%3Dx%20onerror%3Dhacked%3D1%3E%")
    same(browser.run("[typeof hacked, document.querySelectorAll('img, i, main b').length]"), ["undefined", 0], "and in an address; nothing of it runs")


def everywhere(browser):
    places = ("#results", "#episodes", "#episode/final-greedy/1/2", "#compare/final-greedy/expert/1/2")
    nameless, wide, pale, headings = [], [], [], []
    for place in places:
        browser.go(place)
        for dark in (False, True):
            browser.scheme(dark)
            browser.run("delete document.documentElement.dataset.theme")
            least, who = browser.run(CONTRAST)
            if least < 4.5:
                pale.append((place, dark, round(least, 2), who))
        for node in browser.call("Accessibility.getFullAXTree")["nodes"]:
            role = node.get("role", {}).get("value")
            if role in ("button", "link", "combobox", "searchbox", "table", "image", "region") and not node.get("ignored") and \
               not node.get("name", {}).get("value"):
                nameless.append((place, role))
        for width in (390, 1280):
            browser.resize(width, 800)
            if browser.run(WIDTH) > width:
                wide.append((place, width, browser.run(WIDTH)))
        levels = browser.run("[...document.querySelectorAll('main h1, main h2, main h3')].map((h) => +h.tagName[1])")
        if levels[0] != 1 or any(b > a + 1 for a, b in zip(levels, levels[1:])):
            headings.append((place, levels))
    same(nameless, [], "everything has a name for a screen reader")
    same(wide, [], "nothing is wider than a phone")
    same(pale, [], "every text has a contrast of 4.5, light and dark")
    same(headings, [], "headings come in order")
    same(browser.run("[document.documentElement.lang, document.querySelectorAll('main, nav, header').length]"), ["en", 3], "language and landmarks")


def main():
    browser = Browser()
    try:
        browser.open(sys.argv[1], "#episode/final-greedy/1/2")
        same(browser.run("document.querySelector('.strip [aria-current=step]').innerText"), "2", "an address opens its step")
        results(browser), filters(browser), steps(browser), hostile(browser), everywhere(browser)
        same(browser.problems, [], "no errors in the console, nothing is loaded")
        browser.run("(() => { const s = document.createElement('script'); s.textContent = 'injected = 1'; document.body.append(s); })()")
        same(browser.run("typeof injected"), "undefined", "a script that is not the page's own is refused")
    finally:
        browser.close()
    print("1..%d" % number)


main()
