from test_stripe_browser import *
async def test_dbg(service, on_stripe, pages, wire):
    page = await pages()
    page.on("pageerror", lambda m: print("ERR", m))
    await at_checkout(service, on_stripe, page)
    await page.evaluate("""() => { for (const c of [true,false]) document.addEventListener("submit", (e) => { (window.L ??= []).push([c, e.submitter?.id, e.target.id, e.defaultPrevented]); }, {capture: c}); }""")
    await page.locator("#card-number").fill(DECLINED)
    await page.locator("#pay-button").click()
    await page.wait_for_timeout(3000)
    print(await page.evaluate("[window.L, window.made, document.querySelector('#card-payment input[name=token]').value, document.getElementById('pay-form').outerHTML]"))
    assert 0
