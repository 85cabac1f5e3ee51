/** How numbers and sentences are written, the same way in every part of the component. */

/** U+2212: a hyphen is read out as a hyphen, and is narrower than a plus sign. */
const MINUS = '\u2212';

/**
 * Fills the slots {0}, {1}, ... of a custom label.
 * @param {string} label text with slots
 * @param {...(string|number)} values one for each slot; a slot without a value stays as it is
 * @returns {string} the sentence
 */
export function fill(label, ...values) {
    return label.replace(/\{(\d+)\}/g, (slot, index) => (values[index] === undefined ? slot : String(values[index])));
}

/**
 * Score points with their sign, as "+3" or "−1.5"; nought has none.
 * @param {number} points points on the score scale
 * @param {number} decimals digits after the decimal point
 * @returns {string} the points as shown
 */
export function signed(points, decimals = 0) {
    const size = plain(Math.abs(points), decimals);
    if (Number(Math.abs(points).toFixed(decimals)) === 0) {
        return size;
    }
    return `${points < 0 ? MINUS : '+'}${size}`;
}

/**
 * A number in the user's language with a fixed number of decimals.
 * @param {number} value the number
 * @param {number} decimals digits after the decimal point
 * @returns {string} the number as shown
 */
export function plain(value, decimals = 0) {
    return new Intl.NumberFormat(undefined, {
        minimumFractionDigits: decimals,
        maximumFractionDigits: decimals
    }).format(value);
}

/**
 * A cell of a vector as people write it: a plain decimal in the user's language, anything else as it is.
 * @param {string} cell text of a number, a category or a flag
 * @returns {string} the value as shown
 */
export function asWritten(cell) {
    return /^-?\d+(\.\d+)?$/.test(cell) ? new Intl.NumberFormat(undefined).format(Number(cell)) : cell;
}

/**
 * What an Apex or network error says to a person.
 * @param {object} error as the wire service or an imperative call gives it
 * @returns {string} its message; empty where it has none
 */
export function messageOf(error) {
    if (Array.isArray(error?.body)) {
        return error.body.map((one) => one.message).join(' ');
    }
    return error?.body?.message ?? error?.message ?? '';
}
