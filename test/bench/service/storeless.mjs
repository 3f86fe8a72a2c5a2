/*
 * The service with storing taken away: the same program with its HTTP server, keys, reading and checking
 * of events and answers, but whatever is to be stored is said to be stored at once. No queue, no hash
 * of the identity, no database.
 */
const { IngestQueue } = await import(
  new URL('../../../dist/src/events/ingest-queue.js', import.meta.url).href
);
IngestQueue.prototype.submit = async (events) => events.map(() => 'accepted');
await import(new URL('../../../dist/src/main.js', import.meta.url).href);
