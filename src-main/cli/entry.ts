// Entry of the `sdp` command: loads it. Where the system lets it have too few files open for that, this is all that there is to say so.

try {
  await import('./main.ts');
} catch (error) {
  if ((error as NodeJS.ErrnoException).code !== 'EMFILE') throw error;
  process.stderr.write('sdp: a process may have too few files open here (ulimit -n); raise that limit to 1024\n');
  process.exit(1);
}

export {};
