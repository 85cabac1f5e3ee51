// Screenshots small enough to keep beside documents: at most 256 colours, one byte a pixel (PNG, colour type 3).
import { crc32, deflateSync } from 'node:zlib';

const SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);

/**
 * @param {import('playwright-core').Page} page what is drawn, from top to bottom
 * @returns {Promise<Buffer>} a PNG file
 */
export async function picture(page) {
    const shot = await page.screenshot({ fullPage: true, animations: 'disabled' });
    const blank = await page.context().browser().newPage();
    try {
        return written(await blank.evaluate(indexed, shot.toString('base64')));
    } finally {
        await blank.close();
    }
}

/** In the browser, which can decode PNG: each pixel as the number of the commonest colour that is nearest to its own. */
async function indexed(base64) {
    const image = new Image();
    image.src = `data:image/png;base64,${base64}`;
    await image.decode();
    const { width, height } = image;
    const canvas = Object.assign(document.createElement('canvas'), { width, height });
    const context = canvas.getContext('2d');
    context.drawImage(image, 0, 0);
    const { data } = context.getImageData(0, 0, width, height);
    const colours = [];
    const counts = new Map();
    for (let at = 0; at < data.length; at += 4) {
        const colour = (data[at] << 16) | (data[at + 1] << 8) | data[at + 2];
        colours.push(colour);
        counts.set(colour, (counts.get(colour) ?? 0) + 1);
    }
    const bytes = (colour) => [colour >> 16, (colour >> 8) & 255, colour & 255];
    const palette = [...counts.entries()]
        .sort((one, other) => other[1] - one[1])
        .slice(0, 256)
        .map(([colour]) => bytes(colour));
    const distance = (one, other) => one.reduce((sum, level, channel) => sum + (level - other[channel]) ** 2, 0);
    const numbers = new Map();
    for (const colour of counts.keys()) {
        const away = palette.map((entry) => distance(entry, bytes(colour)));
        numbers.set(colour, away.indexOf(Math.min(...away)));
    }
    return { width, height, pixels: colours.map((colour) => numbers.get(colour)), palette: palette.flat() };
}

function written({ width, height, pixels, palette }) {
    const header = Buffer.alloc(13);
    header.writeUInt32BE(width, 0);
    header.writeUInt32BE(height, 4);
    header.set([8, 3, 0, 0, 0], 8);
    const rows = Buffer.alloc(height * (width + 1)); // each row begins with 0: no filter
    for (let row = 0; row < height; row++) {
        rows.set(pixels.slice(row * width, (row + 1) * width), row * (width + 1) + 1);
    }
    return Buffer.concat([
        SIGNATURE,
        chunk('IHDR', header),
        chunk('PLTE', Buffer.from(palette)),
        chunk('IDAT', deflateSync(rows, { level: 9 })),
        chunk('IEND', Buffer.alloc(0))
    ]);
}

function chunk(name, content) {
    const body = Buffer.concat([Buffer.from(name, 'latin1'), content]);
    const around = Buffer.alloc(8);
    around.writeUInt32BE(content.length, 0);
    around.writeUInt32BE(crc32(body), 4);
    return Buffer.concat([around.subarray(0, 4), body, around.subarray(4)]);
}
