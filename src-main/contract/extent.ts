// The size of an image in words, for pages and the command line alike.

/** "32 x 32" of a square; else which is which: "150 wide, 200 high". */
export function formatExtent(height: number, width: number): string {
  return height === width ? `${width} x ${height}` : `${width} wide, ${height} high`;
}
