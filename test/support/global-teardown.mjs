export default async function tearDown() {
  await globalThis.meterlineTestPostgres.stop();
}
