import { LightningElement, api } from 'lwc';
import { asWritten, fill, plain, signed } from 'c/fedcrmText';
import raises from '@salesforce/label/c.FedCRM_Ui_Raises';
import lowers from '@salesforce/label/c.FedCRM_Ui_Lowers';
import unchanged from '@salesforce/label/c.FedCRM_Ui_NoEffect';
import others from '@salesforce/label/c.FedCRM_Ui_OtherFactors';
import average from '@salesforce/label/c.FedCRM_Ui_AverageRecord';
import total from '@salesforce/label/c.FedCRM_Ui_ScoreTotal';
import hidden from '@salesforce/label/c.FedCRM_Ui_Hidden';
import noValue from '@salesforce/label/c.FedCRM_Ui_NoValue';
import factor from '@salesforce/label/c.FedCRM_Ui_Factor';
import thisRecord from '@salesforce/label/c.FedCRM_Ui_ThisRecord';
import points from '@salesforce/label/c.FedCRM_Ui_Points';
import fromFederation from '@salesforce/label/c.FedCRM_Ui_FromFederation';
import fromOwnData from '@salesforce/label/c.FedCRM_Ui_FromOwnData';
import caption from '@salesforce/label/c.FedCRM_Ui_FactorsCaption';

/** Source of a share that the organisation's own models add. */
const OWN = 'own_data';

/** What the federation and what the own data add; a node that does not say has given all of it to one source. */
function parts(share) {
    if (typeof share.federationPoints === 'number' && typeof share.ownPoints === 'number') {
        return [share.federationPoints, share.ownPoints];
    }
    return share.source === OWN ? [0, Number(share.points)] : [Number(share.points), 0];
}

/**
 * Each factor's points on the score as a bar or a table row. Presentational: it fetches nothing.
 * What it shows adds up: average record + factors + all other factors = score.
 */
export default class FedcrmAttributionChart extends LightningElement {
    /** Shares with {feature, source, label, value, points, federationPoints, ownPoints, isHidden}. */
    @api attributions = [];
    /** Points of everything that is not in attributions. */
    @api otherPoints = 0;
    /** Score of the average record, and the score that all of this adds up to. */
    @api baseline = 0;
    @api score = 0;
    /** Digits after the decimal point of every figure. */
    @api decimals = 0;
    /** How many factors are shown by name; the rest joins all other factors. */
    @api limit = 6;
    /** Draw bars faintly: the score is a hint, no more. */
    @api muted = false;
    /** Draw a table instead of bars. */
    @api asTable = false;

    labels = { average, total, factor, thisRecord, points, fromFederation, fromOwnData, caption };

    get rows() {
        const factors = this.factors;
        const shown = factors.slice(0, Number(this.limit));
        const rest = factors.slice(Number(this.limit));
        const other = {
            feature: 'other',
            label: others,
            points: rest.reduce((sum, one) => sum + one.points, Number(this.otherPoints ?? 0)),
            isOther: true
        };
        const all = [...shown, other];
        const largest = Math.max(...all.map((one) => Math.abs(one.points)), 1e-9);
        return all.map((one) => this.row(one, largest));
    }
    /** One factor a feature, largest first: what it adds by the federation and by the organisation's own data. */
    get factors() {
        const byFeature = new Map();
        for (const share of this.attributions ?? []) {
            const whole = byFeature.get(share.feature) ?? { ...share, points: 0, federation: 0, own: 0 };
            const [federation, own] = parts(share);
            whole.points += Number(share.points);
            whole.federation += federation;
            whole.own += own;
            byFeature.set(share.feature, whole);
        }
        return [...byFeature.values()].sort((a, b) => Math.abs(b.points) - Math.abs(a.points));
    }
    get baselineText() {
        return plain(this.baseline, this.decimals);
    }
    get scoreText() {
        return plain(this.score, this.decimals);
    }

    row(one, largest) {
        const value = one.isHidden ? hidden : one.isOther ? '' : asWritten(one.value || noValue);
        const size = plain(Math.abs(one.points), this.decimals);
        const pointsText = signed(one.points, this.decimals);
        const direction = Number(one.points) === 0 ? unchanged : one.points > 0 ? raises : lowers;
        return {
            key: one.feature,
            label: one.label,
            value,
            pointsText,
            federationText: one.isOther ? '' : signed(one.federation, this.decimals),
            ownText: one.isOther ? '' : signed(one.own, this.decimals),
            spoken: one.isOther ? `${one.label}: ${pointsText}` : fill(direction, one.label, value, size),
            barClass: `bar bar_${one.points < 0 ? 'lowers' : 'raises'}${this.muted ? ' bar_muted' : ''}`,
            barStyle: `inline-size: ${(Math.abs(one.points) / largest) * 50}%`
        };
    }
}
