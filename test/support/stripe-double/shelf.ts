/** A list in its order, which is read from one place on and no further than is asked for. */
export interface Series<T> {
  has: (id: string) => boolean;
  /** All that come after this one, in their order; without an id all there are. */
  after: (id?: string) => Iterable<T>;
  /** All that come before this one, the nearest first. */
  before: (id: string) => Iterable<T>;
}

/**
 * Objects by id in the order of their creation, read from either end: a list of ten among ten thousand
 * costs ten.
 */
export class Shelf<T> extends Map<string, T> {
  private readonly places = new Map<string, number>();
  /** By place; null where one was deleted. */
  private readonly ids: (string | null)[] = [];

  override set(id: string, object: T): this {
    if (!this.has(id)) {
      this.places.set(id, this.ids.length);
      this.ids.push(id);
    }
    return super.set(id, object);
  }

  override delete(id: string): boolean {
    const place = this.places.get(id);
    if (place !== undefined) {
      this.ids[place] = null;
      this.places.delete(id);
    }
    return super.delete(id);
  }

  /** Newest first: the order of all lists but an invoice's lines. */
  newestFirst(): Series<T> {
    return {
      has: (id) => this.has(id),
      after: (id) => this.walk(this.placeOf(id, this.ids.length), -1),
      before: (id) => this.walk(this.placeOf(id, this.ids.length), 1),
    };
  }

  private placeOf(id: string | undefined, otherwise: number): number {
    return id === undefined ? otherwise : (this.places.get(id) ?? otherwise);
  }

  private *walk(from: number, step: 1 | -1): Iterable<T> {
    for (let place = from + step; place >= 0 && place < this.ids.length; place += step) {
      const id = this.ids[place] ?? null;
      const object = id === null ? undefined : this.get(id);
      if (object !== undefined) {
        yield object;
      }
    }
  }
}

/** A shelf that also finds the objects of one owner, which never changes, without going through all. */
export class OwnedShelf<T> extends Shelf<T> {
  private readonly byOwner = new Map<string, Shelf<T>>();

  constructor(private readonly ownerOf: (object: T) => string) {
    super();
  }

  override set(id: string, object: T): this {
    const owner = this.ownerOf(object);
    const owned = this.byOwner.get(owner) ?? new Shelf<T>();
    this.byOwner.set(owner, owned.set(id, object));
    return super.set(id, object);
  }

  override delete(id: string): boolean {
    const object = this.get(id);
    if (object !== undefined) {
      this.byOwner.get(this.ownerOf(object))?.delete(id);
    }
    return super.delete(id);
  }

  /** Those of one owner; of nobody, all of them. */
  of(owner: string | undefined): Shelf<T> {
    return owner === undefined ? this : (this.byOwner.get(owner) ?? new Shelf<T>());
  }
}
