import { LightningElement, api } from 'lwc';
import { fill, plain } from 'c/fedcrmText';
import newModel from '@salesforce/label/c.FedCRM_Ui_NewModel';
import trendAlt from '@salesforce/label/c.FedCRM_Ui_TrendAlt';
import caption from '@salesforce/label/c.FedCRM_Ui_TrendCaption';
import when from '@salesforce/label/c.FedCRM_Ui_When';
import score from '@salesforce/label/c.FedCRM_Ui_Score';
import model from '@salesforce/label/c.FedCRM_Ui_ModelVersion';
import nothingYet from '@salesforce/label/c.FedCRM_Ui_NoHistory';

const [WIDTH, HEIGHT] = [320, 120];
const INSET = { left: 30, right: 10, top: 10, bottom: 22 };

/** Earlier scores of one record, from 0 to 100, with model changes marked. Presentational: it fetches nothing. */
export default class FedcrmTrendChart extends LightningElement {
    /** Scores with {at: ISO time, score, modelVersion}, oldest first. */
    @api trend = [];
    /** Digits after the decimal point of every score. */
    @api decimals = 0;
    /** Draw a table instead of a line. */
    @api asTable = false;

    viewBox = `0 0 ${WIDTH} ${HEIGHT}`;
    labels = { caption, when, score, model, nothingYet };

    get points() {
        const list = this.trend ?? [];
        const times = list.map((one) => new Date(one.at).getTime());
        const [first, last] = [times[0], times[times.length - 1]];
        return list.map((one, index) => {
            const along = last === first ? 0.5 : (times[index] - first) / (last - first);
            const changed = index > 0 && one.modelVersion !== list[index - 1].modelVersion;
            return {
                key: `${one.at}-${index}`,
                at: one.at,
                x: INSET.left + along * (WIDTH - INSET.left - INSET.right),
                y: this.height(one.score),
                text: plain(one.score, this.decimals),
                day: this.day(one.at),
                changed,
                modelVersion: one.modelVersion,
                note: changed ? fill(newModel, one.modelVersion) : one.modelVersion
            };
        });
    }
    get isEmpty() {
        return !this.trend?.length;
    }
    get showTable() {
        return !this.isEmpty && this.asTable;
    }
    get showLine() {
        return !this.isEmpty && !this.asTable;
    }
    get path() {
        return this.points.map((point, index) => `${index ? 'L' : 'M'}${point.x.toFixed(1)} ${point.y}`).join(' ');
    }
    get altText() {
        return this.points
            .map((point) => fill(trendAlt, point.day, point.text) + (point.changed ? `, ${point.note}` : ''))
            .join('; ');
    }
    get changes() {
        return this.points.filter((point) => point.changed);
    }
    get grid() {
        return [0, 50, 100].map((value) => ({
            key: value,
            text: plain(value),
            y: this.height(value),
            textY: this.height(value) + 4
        }));
    }
    get ends() {
        const points = this.points;
        const ends = points.length > 1 ? [points[0], points[points.length - 1]] : points;
        return ends.map((point, index) => ({
            key: point.key,
            text: point.day,
            x: point.x,
            anchor: points.length === 1 ? 'middle' : index ? 'end' : 'start'
        }));
    }

    height(value) {
        return HEIGHT - INSET.bottom - (Number(value) / 100) * (HEIGHT - INSET.top - INSET.bottom);
    }
    day(at) {
        return new Intl.DateTimeFormat(undefined, { month: 'short', day: 'numeric' }).format(new Date(at));
    }
}
