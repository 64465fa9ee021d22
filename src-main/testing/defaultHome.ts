// The environment of a machine where nothing is chosen and the platform's folder for application data lies in `folder`.

export const machineOf = (folder: string) => ({ SDP_HOME: '', XDG_DATA_HOME: folder, APPDATA: folder, HOME: folder });
