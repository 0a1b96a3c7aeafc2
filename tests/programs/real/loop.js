// An event loop with timers and file writes, two workers, and garbage all the time; a digest of all that was computed.
const fs = require('fs');
const crypto = require('crypto');
const { Worker, isMainThread, parentPort, workerData } = require('worker_threads');

const ROUNDS = 800;

function round(number, seed) {
  const objects = [];
  for (let i = 0; i < 3000; i++) objects.push({ number, name: `${seed}-${i}`, inner: [i, i * number % 97, { i }] });
  const text = JSON.stringify(objects.filter((one) => one.inner[1] % 2 === 0));
  return crypto.createHash('sha256').update(text).digest('hex');
}

if (isMainThread) {
  const digest = crypto.createHash('sha256');
  const workers = [1, 2].map((seed) => new Promise((resolve, reject) => {
    const worker = new Worker(__filename, { workerData: seed });
    worker.on('message', resolve);
    worker.on('error', reject);
  }));
  const step = (number) => new Promise((resolve) => {
    setTimeout(() => {
      digest.update(round(number, 0));
      if (number % 20 === 0) fs.promises.writeFile('progress', `${number}\n`).then(resolve);
      else resolve();
    }, 1);
  });
  (async () => {
    for (let number = 1; number <= ROUNDS; number++) await step(number);
    for (const part of await Promise.all(workers)) digest.update(part);
    fs.writeFileSync('result', digest.digest('hex') + '\n');
  })();
} else {
  const digest = crypto.createHash('sha256');
  for (let number = 1; number <= ROUNDS; number++) digest.update(round(number, workerData));
  parentPort.postMessage(digest.digest('hex'));
}
