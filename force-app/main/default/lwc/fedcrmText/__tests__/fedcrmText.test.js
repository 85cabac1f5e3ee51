import { asWritten, fill, messageOf, plain, signed } from 'c/fedcrmText';

describe('c-fedcrm-text', () => {
    it('fills the slots of a label and leaves one without a value as it is', () => {
        expect(fill('{1} before {0}, {2}', 'b', 'a')).toBe('a before b, {2}');
        expect(fill('{0}', 0)).toBe('0');
    });
    it('writes points with their sign, and nought without one', () => {
        expect(signed(14)).toBe('+14');
        expect(signed(-8)).toBe('\u22128');
        expect(signed(0)).toBe('0');
        expect(signed(-0.04, 1)).toBe('0.0');
        expect(signed(-0.26, 1)).toBe('\u22120.3');
    });
    it('writes numbers with the decimals asked for', () => {
        expect(plain(41)).toBe('41');
        expect(plain(4.25, 1)).toBe('4.3');
    });
    it('writes a cell that is a number as people do, and leaves every other cell alone', () => {
        expect(asWritten('42000.00')).toBe('42,000');
        expect(asWritten('-1200.50')).toBe('-1,200.5');
        expect(asWritten('1-5 licences')).toBe('1-5 licences');
        expect(asWritten('')).toBe('');
    });
    it('finds what an error says to a person, whatever its shape', () => {
        expect(messageOf({ body: { message: 'No model' } })).toBe('No model');
        expect(messageOf({ body: [{ message: 'One.' }, { message: 'Two.' }] })).toBe('One. Two.');
        expect(messageOf(new Error('cut off'))).toBe('cut off');
        expect(messageOf(undefined)).toBe('');
    });
});
