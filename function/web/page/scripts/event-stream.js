/** Parser of server-sent events in pieces of any length. It keeps comments: they report the progress of the wait. */
export class EventStream {
  #rest = "";
  #name = "";
  #data = [];

  /** Take the next piece; return the completed events: `{comment}` or `{name, data}` each. */
  feed(text) {
    this.#rest += text;
    const found = [];
    let start = 0;
    for (const { 0: end, index } of this.#rest.matchAll(/\r\n|\n|\r(?!$)/g)) {
      this.#line(this.#rest.slice(start, index), found);
      start = index + end.length;
    }
    this.#rest = this.#rest.slice(start);
    return found;
  }

  #line(line, found) {
    if (line === "") {
      if (this.#data.length) found.push({ name: this.#name || "message", data: this.#data.join("\n") });
      this.#name = "";
      this.#data = [];
    } else if (line.startsWith(":")) {
      found.push({ comment: line.slice(1).trim() });
    } else {
      const [, field, value] = /^([^:]*):? ?(.*)$/s.exec(line);
      if (field === "event") this.#name = value;
      if (field === "data") this.#data.push(value);
    }
  }
}
