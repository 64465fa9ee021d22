// All that the page gets of Electron: a port to the app, and the paths of files that are dropped on the window.

import { contextBridge, ipcRenderer, webUtils } from 'electron';
import { portMessage, type Preload } from '../transport/page.ts';
import { connectChannel, portChannel } from './channels.ts';

const exposed: Preload = {
  connect: () => ipcRenderer.send(connectChannel),
  pathForFile: (file) => webUtils.getPathForFile(file as File),
};

ipcRenderer.on(portChannel, ({ ports }) => window.postMessage(portMessage, window.location.origin, [...ports]));
contextBridge.exposeInMainWorld('sdpLab', exposed);
