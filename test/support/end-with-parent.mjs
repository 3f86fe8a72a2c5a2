/* Loaded into a program that another one runs beside it: when that is gone, even by SIGKILL, this ends too. */
process.on('disconnect', () => process.kill(process.pid, 'SIGTERM'));
