import { removeMemoryDisk } from './memory-disk.mjs';

export default async function tearDown() {
  await globalThis.meterlineTestPostgres.stop();
  if (globalThis.meterlineTestMemory !== null) {
    removeMemoryDisk(globalThis.meterlineTestMemory);
  }
}
