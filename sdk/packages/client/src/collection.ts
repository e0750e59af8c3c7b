// Every item this client knows, once, whatever list it stands in; the marks that are on their way to the server laid
// over it; and the unread count that follows from both. What the server says replaces what was known, unless something
// newer came while the answer was under way. Knows no network.

import { holds, isUnread, type Mark, marked } from "./marks.ts";
import type { Notification } from "./types.ts";
import type { AllRead, Marked } from "./wire.ts";

interface Entry {
  /** As the server has it. */
  base: Notification;
  /** As it is shown: with the marks under way. */
  shown: Notification;
  /** As of when, in the collection's own count of moments. */
  touched: number;
  /** A time of ours that stands in the base until the server tells its own. */
  guess: string | null;
}

/** A mark under way: of one item, or (`all`) of everything that was unread. */
export interface Pending {
  readonly id: string;
  readonly mark: Mark;
  readonly at: string;
  /** The server's own word of it has come: it is part of the base now. */
  confirmed: boolean;
  /** A page has come meanwhile, and nobody knows whether it knew of the mark. */
  paged: boolean;
  /** Unread items that aren't known here, which a read-all takes along. */
  readonly unknown: number;
  readonly all: ReadonlySet<string> | null;
}

/** Which ids a page speaks of: those under `below` and not under `from`; null = no end on that side. */
export interface Range {
  readonly below: string | null;
  readonly from: string | null;
}

/** How a page and what came while it was under way fit together. */
export interface Merge {
  /** False = marks were made meanwhile, and nobody knows whether the page knew: it must be asked for again. */
  readonly settled: boolean;
  /** False = a newer unread count came meanwhile. */
  readonly counted: boolean;
}

export type Matches = (item: Notification) => boolean;

export class Collection {
  readonly #entries = new Map<string, Entry>();
  /** All ids, newest first: ids grow with time (ULID), the server lists by them. */
  readonly #order: string[] = [];
  readonly #pending = new Set<Pending>();
  #unread = 0;
  #unreadTouched = 0;
  #allReadAt = 0;
  #now = 0;
  #version = 0;
  readonly #changed: () => void;

  constructor(changed: () => void = () => undefined) {
    this.#changed = changed;
  }

  /** Another number whenever something that is shown has changed. */
  get version(): number {
    return this.#version;
  }

  /** A moment to remember when a request starts: what its answer says is as of then. */
  moment(): number {
    return ++this.#now;
  }

  get unread(): number {
    let unread = this.#unread;
    for (const { shown, base } of this.#entries.values()) unread += more(base, shown);
    for (const { confirmed, unknown } of this.#pending) unread -= confirmed ? 0 : unknown;
    return Math.max(0, unread);
  }

  get(id: string): Notification | undefined {
    return this.#entries.get(id)?.shown;
  }

  /** Items of a list, newest first; `from` = the oldest id the list has loaded, null = all. */
  list(matches: Matches, from: string | null): Notification[] {
    const found: Notification[] = [];
    for (const id of this.#order) {
      if (from !== null && id < from) break;
      const item = this.#entries.get(id)?.shown;
      if (item && matches(item)) found.push(item);
    }
    return found;
  }

  /** What was known at the last start: anything the server says is newer. */
  restore(items: readonly Notification[], unread: number): void {
    if (this.#now > 0) return;
    for (const item of items) this.#put(item, 0);
    this.#count(unread);
    this.#tell();
  }

  // --- what the server says ---

  /** A notification over the live connection. False = it was known. */
  arrived(item: Notification): boolean {
    if (this.#entries.has(item.id)) return false;
    this.#put(item, ++this.#now);
    if (isUnread(item)) this.#count(this.#unread + 1);
    this.#tell();
    return true;
  }

  /** Marks of one item changed. False = the item isn't known. */
  marked({ id, marks, unread }: Marked): boolean {
    const entry = this.#entries.get(id);
    const moment = ++this.#now;
    if (entry) this.#say(entry, { ...entry.base, ...marks }, moment);
    this.#confirm((pending) => pending.id === id && holds(marks, pending.mark));
    if (unread !== null) this.#count(unread);
    this.#show(id);
    this.#tell();
    return entry !== undefined;
  }

  /** Everything was marked read at a time. False = that doesn't fit with the count: something isn't known here. */
  allRead({ at, unread }: AllRead): boolean {
    const moment = ++this.#now;
    this.#allReadAt = moment;
    for (const entry of this.#entries.values()) {
      const { base, guess } = entry;
      const guessed = guess !== null && guess === base.readAt;
      // Both times are the server's. What came after the read-all stays unread.
      if (base.createdAt > at || !(isUnread(base) || guessed)) continue;
      const seenAt = guess !== null && base.seenAt === guess ? at : (base.seenAt ?? at);
      this.#say(entry, { ...base, seenAt, readAt: at }, moment);
    }
    this.#confirm(({ all }) => all !== null);
    for (const id of this.#order) this.#show(id);
    const known = this.list(isUnread, null).length;
    this.#count(unread ?? known);
    this.#tell();
    return known <= (unread ?? known);
  }

  /** The unread count alone, asked for at `since`. False = a newer one came meanwhile. */
  counted(unread: number, since = ++this.#now): boolean {
    if (this.#unreadTouched > since) return false;
    this.#count(unread, since);
    this.#tell();
    return true;
  }

  /** A page of a list, asked for at `since`. */
  page(since: number, items: readonly Notification[], matches: Matches, range: Range, unread: number): Merge {
    const listed = new Set(items.map(({ id }) => id));
    for (const pending of this.#pending) pending.paged ||= pending.all !== null || listed.has(pending.id);
    for (const item of items) if ((this.#entries.get(item.id)?.touched ?? -1) <= since) this.#put(item, since);
    for (const id of this.#order.filter((known) => within(known, range) && !listed.has(known))) {
      const entry = this.#entries.get(id);
      // What matches and isn't on the page is gone, unless it came while the page was under way.
      if (entry && entry.touched <= since && matches(entry.base)) this.#drop(id);
    }
    const guessed = [...this.#entries.values()].some(({ touched, guess }) => touched > since && guess !== null);
    const settled = !guessed && this.#allReadAt <= since;
    const counted = this.#unreadTouched <= since;
    if (counted) this.#count(unread, since);
    this.#tell();
    return { settled, counted };
  }

  // --- what the person does ---

  /** Shows the mark at once; null if it holds already. `at` = RFC 3339, shown until the server's own time comes. */
  begin(id: string, mark: Mark, at: string): Pending | null {
    const item = this.get(id);
    if (item && holds(item, mark)) return null;
    return this.#begin(id, mark, at);
  }

  beginReadAll(at: string): Pending {
    const all = new Set(this.list(isUnread, null).map(({ id }) => id));
    const unknown = Math.max(0, this.unread - all.size);
    return this.#begin("*", "read", at, unknown, all);
  }

  /**
   * The mark is done: `taken` = by the server, else what was shown is taken back. False = what is shown now may not be
   * the last word: it must be asked for.
   */
  end(pending: Pending, taken: boolean): boolean {
    this.#pending.delete(pending);
    if (taken && !pending.confirmed) {
      for (const id of idsOf(pending)) this.#apply(id, pending);
      this.#count(this.#unread - pending.unknown);
    }
    for (const id of idsOf(pending)) this.#show(id);
    this.#tell();
    return !taken || pending.confirmed || !pending.paged;
  }

  #begin(id: string, mark: Mark, at: string, unknown = 0, all: ReadonlySet<string> | null = null): Pending {
    const pending = { id, mark, at, unknown, all, confirmed: false, paged: false };
    this.#pending.add(pending);
    for (const id of idsOf(pending)) this.#show(id);
    this.#tell();
    return pending;
  }

  #apply(id: string, { mark, at }: Pending): void {
    const entry = this.#entries.get(id);
    if (!entry) return;
    this.#say(entry, marked(entry.base, mark, at), ++this.#now, at);
  }

  #say(entry: Entry, base: Notification, touched: number, guess: string | null = null): void {
    this.#count(this.#unread + more(entry.base, base));
    entry.base = base;
    entry.touched = touched;
    entry.guess = guess;
  }

  #confirm(spoken: (pending: Pending) => boolean): void {
    for (const pending of this.#pending) if (spoken(pending)) pending.confirmed = true;
  }

  /** Lays the marks under way over the base. */
  #show(id: string): void {
    const entry = this.#entries.get(id);
    if (!entry) return;
    entry.shown = entry.base;
    for (const pending of this.#pending) {
      if (pending.confirmed || !(pending.all ? pending.all.has(id) : pending.id === id)) continue;
      entry.shown = marked(entry.shown, pending.mark, pending.at);
    }
  }

  #put(base: Notification, touched: number): void {
    if (!this.#entries.has(base.id)) this.#order.splice(this.#place(base.id), 0, base.id);
    this.#entries.set(base.id, { base, shown: base, touched, guess: null });
    this.#show(base.id);
  }

  #drop(id: string): void {
    this.#entries.delete(id);
    this.#order.splice(this.#place(id), 1);
  }

  /** Where an id stands, or belongs, in the order. */
  #place(id: string): number {
    let low = 0;
    let high = this.#order.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#order[middle] ?? "") > id) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #count(unread: number, touched = this.#now): void {
    this.#unread = Math.max(0, unread);
    this.#unreadTouched = touched;
  }

  #tell(): void {
    this.#version++;
    this.#changed();
  }
}

/** How many unread items there are more with the one in place of the other. */
function more(before: Notification, after: Notification): number {
  return Number(isUnread(after)) - Number(isUnread(before));
}

function idsOf({ id, all }: Pending): Iterable<string> {
  return all ?? [id];
}

function within(id: string, { below, from }: Range): boolean {
  return (below === null || id < below) && (from === null || id >= from);
}
