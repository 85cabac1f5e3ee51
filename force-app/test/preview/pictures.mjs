// Screenshots small enough to keep beside documents: at most 256 colours, one byte a pixel (PNG, colour type 3).
import { crc32, deflateSync } from 'node:zlib';

const SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);

/**
 * @param {import('playwright-core').Page} page what is drawn, from top to bottom
 * @returns {Promise<Buffer>} a PNG file
 */
export async function picture(page) {
    const shot = await page.screenshot({ fullPage: true, animations: 'disabled' });
    const blank = await page.context().newPage();
    try {
        return written(await blank.evaluate(indexed, shot.toString('base64')));
    } finally {
        await blank.close();
    }
}

/** In the browser, which can decode PNG: each pixel as the number of its colour; close shades become one where need be. */
async function indexed(base64) {
    const image = new Image();
    image.src = `data:image/png;base64,${base64}`;
    await image.decode();
    const { width, height } = image;
    const canvas = Object.assign(document.createElement('canvas'), { width, height });
    const context = canvas.getContext('2d');
    context.drawImage(image, 0, 0);
    const { data } = context.getImageData(0, 0, width, height);
    for (let bits = 0; bits < 8; bits++) {
        const colours = new Map();
        const pixels = new Array(width * height);
        for (let at = 0; at < pixels.length && colours.size <= 256; at++) {
            const shade = [0, 1, 2].map((channel) => (data[4 * at + channel] >> bits) << bits);
            const key = shade.join();
            if (!colours.has(key)) {
                // White stays white: the lost bits are those of the first pixel of that shade.
                colours.set(key, { number: colours.size, colour: [...data.slice(4 * at, 4 * at + 3)] });
            }
            pixels[at] = colours.get(key).number;
        }
        if (colours.size <= 256) {
            return { width, height, pixels, palette: [...colours.values()].flatMap((one) => one.colour) };
        }
    }
    throw new Error('a picture of more than 256 colours');
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
