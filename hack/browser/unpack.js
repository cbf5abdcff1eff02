// Unpacks the browser and its libraries into TMPDIR.

import chromium from '@sparticuz/chromium';

console.error(`unpacked ${await chromium.executablePath()}`);
