import { Progress } from '../../../src/import/progress.js';

function shown(isTTY: boolean, stepMs: number, columns = 200): string[] {
  let nowMs = 5_000;
  const texts: string[] = [];
  const progress = new Progress({ isTTY, columns, write: (text) => texts.push(text) }, () => nowMs);
  progress.begin();
  for (let step = 0; step <= 4; step += 1) {
    progress.show({ name: 'a.log', lines: step * 1_000, bytes: step * 10, size: 80 });
    nowMs += stepMs;
  }
  progress.say('a word');
  return texts;
}

describe('Progress', () => {
  it('draws a bar with rate and remaining time on a terminal, and takes it away for words', () => {
    const texts = shown(true, 20_000);
    expect(texts).toHaveLength(7);
    expect(texts[4]).toBe(
      '\r\u001B[Ka.log [############............] 50 % 4000 lines, 50/s, 1 min 20 s left',
    );
    expect(texts.slice(5)).toEqual(['\r\u001B[K', 'a word\n']);
    expect(shown(true, 20_000, 21)[4]).toBe('\r\u001B[Ka.log [############.');
  });

  it('draws no more often than anybody can see', () => {
    expect(shown(true, 30)).toHaveLength(4);
  });

  it('writes a plain line now and then elsewhere', () => {
    expect(shown(false, 5_000)).toEqual([
      'a.log [######..................] 25 % 2000 lines, 200/s, 30 s left\n',
      'a.log [############............] 50 % 4000 lines, 200/s, 20 s left\n',
      'a word\n',
    ]);
    expect(shown(false, 100)).toEqual(['a word\n']);
  });
});
