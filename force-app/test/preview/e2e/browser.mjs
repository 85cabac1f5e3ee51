// A browser for tests: Debian's Chromium through playwright-core, with axe in the page.
import fs from 'node:fs';
import { createRequire } from 'node:module';
import { chromium } from 'playwright-core';

const AXE = fs.readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const QUIET = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking'];

/** Starts the browser; CHROMIUM names another one than Debian's. */
export function launch() {
    return chromium.launch({
        executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
        headless: true,
        args: QUIET
    });
}

/** What axe finds wrong with the page, one line each; empty where nothing is. */
export async function violations(page) {
    await page.evaluate(AXE);
    return page.evaluate(async () => {
        const { violations: found } = await window.axe.run('#host', {
            runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']
        });
        return found.map((one) => `${one.id}: ${one.nodes.map((node) => node.html.slice(0, 120)).join(' | ')}`);
    });
}

/** Tags and names of what the tab key reaches, in order, until it leaves the component. */
export async function tabOrder(page, most = 20) {
    const reached = [];
    for (let step = 0; step < most; step++) {
        await page.keyboard.press('Tab');
        const name = await page.evaluate(() => {
            let at = document.activeElement;
            while (at?.shadowRoot?.activeElement) {
                at = at.shadowRoot.activeElement;
            }
            return at === document.body
                ? null
                : (at.getAttribute('aria-label') ?? at.title ?? '') || at.textContent.trim();
        });
        if (name === null) {
            break;
        }
        reached.push(name);
    }
    return reached;
}
