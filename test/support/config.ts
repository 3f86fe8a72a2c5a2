import { type Config, readConfig } from '../../src/platform/config.js';
import { Log } from '../../src/platform/log.js';

/** The default settings, with some set. */
export function testConfig(env: Record<string, string> = {}): Config {
  return readConfig(env);
}

/** Writes nothing. */
export const silentLog = new Log('silent');
