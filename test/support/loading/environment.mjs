/*
 * Jest's environment for specs that need the whole program. Jest loads every module anew for each spec,
 * into a realm of its own; here the program and the packages are loaded once for all specs of a worker,
 * by Node itself, and specs reach them through the facades of facades.mjs.
 */
import 'reflect-metadata';
import { TestEnvironment } from 'jest-environment-node';

/** What the program asks of values from specs (`instanceof`), and where decorators leave their notes. */
const SHARED = { Date, Error, Map, RangeError, Reflect, Set, SyntaxError, TypeError };

export default class OneProgramEnvironment extends TestEnvironment {
  async setup() {
    await super.setup();
    Object.assign(this.global, SHARED);
    this.global.importOnce = async (specifier) => await import(specifier);
  }
}
