/** One module a custom label, from the shipped metadata: tests read the shipped words, and a missing label fails. */
const fs = require('node:fs');
const path = require('node:path');

const ROOT = path.join(__dirname, '../../..');
const ENTITIES = { lt: '<', gt: '>', quot: '"', apos: "'", amp: '&' };

/** Every custom label of the package by name. */
function readLabels() {
    const directory = path.join(ROOT, 'force-app/main/default/labels');
    const labels = new Map();
    for (const file of fs.readdirSync(directory)) {
        const xml = fs.readFileSync(path.join(directory, file), 'utf8');
        for (const [, body] of xml.matchAll(/<labels>([\s\S]*?)<\/labels>/g)) {
            const text = (tag) => body.match(new RegExp(`<${tag}>([\\s\\S]*?)</${tag}>`))[1];
            labels.set(
                text('fullName'),
                text('value').replace(/&(lt|gt|quot|apos|amp);/g, (_, name) => ENTITIES[name])
            );
        }
    }
    return labels;
}

module.exports = async function writeLabelModules() {
    const target = path.join(ROOT, 'build/jest-labels');
    fs.rmSync(target, { recursive: true, force: true });
    fs.mkdirSync(target, { recursive: true });
    for (const [name, value] of readLabels()) {
        fs.writeFileSync(path.join(target, `${name}.js`), `module.exports = { default: ${JSON.stringify(value)} };\n`);
    }
};
module.exports.readLabels = readLabels;
