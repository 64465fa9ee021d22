// Imported first: zod compiles no parsers with `new Function`, which the page's Content-Security-Policy forbids.

import { z } from 'zod';

z.config({ jitless: true });
