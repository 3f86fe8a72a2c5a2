/* Loaded into what the demo starts: when the demo is gone, even by SIGKILL, this ends too. */
process.on('disconnect', () => process.kill(process.pid, 'SIGTERM'));
