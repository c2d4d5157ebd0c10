/** Demo mode: how often the label is the one that the sample's authors gave, with how little that may say. */

import { byId, h, replaceKeepingFocus, setText } from "../dom";
import { count, interval, languageName, percent } from "../format";
import type { Agreement, AgreementRow } from "../types";
import { headRow } from "./table";

/** Texts with a label: an unsure one neither agrees nor disagrees. */
const judged = (row: AgreementRow): number => row.texts - row.unsure;

export class AgreementPanel {
  private readonly body = h("tbody");

  constructor() {
    byId("agreement").append(
      h("table", {},
        h("caption", { class: "unseen" }, "Agreement with gold labels by language"),
        headRow([
          ["Gold language", "The language in which the sample's author wrote", "text"],
          ["Agree", "Distinct sample texts whose label is the gold label, of those seen in the window"],
          ["Share", "Share of texts that agree"],
          ["95%", "95% interval: wide, because few texts of a language are in the sample"],
          ["Lang", "Texts whose language was detected as the gold language"],
        ]),
        this.body),
    );
  }

  update(part: Agreement): void {
    byId("agreement-panel").hidden = false;
    setText(
      byId("agreement-note"),
      part.agreement
        ? `${percent(part.agreement.share)} (${interval(part.agreement)}) of ${count(part.texts)} of ${count(part.sample_texts)} sample texts` + (part.unsure ? `, ${count(part.unsure)} of them unsure` : "")
        : "no sample texts in this window yet",
    );
    replaceKeepingFocus(this.body, ...part.languages.map((row) =>
      h("tr", {},
        h("th", { scope: "row", class: "text" }, languageName(row.language), " ", h("span", { class: "tag" }, row.language)),
        h("td", { class: "number", title: row.unsure ? `${row.unsure} more are unsure` : null }, `${row.agree}/${judged(row)}`),
        h("td", { class: `number${judged(row) < 30 ? " few" : ""}` }, row.agreement ? `${judged(row) < 30 ? "~" : ""}${percent(row.agreement.share)}` : "\u2013"),
        h("td", { class: "number soft" }, row.agreement ? interval(row.agreement) : ""),
        h("td", { class: "number" }, `${row.language_agree}/${row.texts}`))));
  }
}
