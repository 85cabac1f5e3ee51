// Rollup plugin: the base components carry some 1,700 icons; compile those that somebody names.
import fs from 'node:fs';
import path from 'node:path';

const NAMED = /\b(utility|standard|action|custom|doctype):([a-z0-9_]+)/g;
const SKIPPED = /^(iconSvgTemplates|__|node_modules)/;

function* sources(directory) {
    for (const entry of fs.readdirSync(directory, { withFileTypes: true })) {
        const at = path.join(directory, entry.name);
        if (entry.isDirectory()) {
            if (!SKIPPED.test(entry.name)) {
                yield* sources(at);
            }
        } else if (/\.(js|html)$/.test(entry.name)) {
            yield at;
        }
    }
}

/** @param {string[]} directories where icons are named, as utility:refresh */
export default function iconSubset(directories) {
    const named = new Set();
    for (const directory of directories) {
        for (const file of sources(directory)) {
            for (const [, family, icon] of fs.readFileSync(file, 'utf8').matchAll(NAMED)) {
                named.add(`${family}_${icon}`);
            }
        }
    }
    return {
        name: 'icon-subset',
        load(id) {
            if (!/iconSvgTemplates\w+[\\/]buildTemplates[\\/]templates\.js$/.test(id)) {
                return null;
            }
            const nameOf = (line) => line.match(/default as (\w+) \}/)?.[1];
            const kept = fs
                .readFileSync(id, 'utf8')
                .split('\n')
                .filter((line) => named.has(nameOf(line)));
            return `${kept.join('\n')}\nexport default { ${kept.map(nameOf).join(', ')} };`;
        }
    };
}
