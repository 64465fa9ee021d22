// Names that only the main process and the preload use; everything else goes over the port that they exchange.

export const connectChannel = 'sdp-lab:connect';
export const portChannel = 'sdp-lab:port';
