// Text files that the build takes in whole.
declare module '*?raw' {
  const text: string;
  export default text;
}
