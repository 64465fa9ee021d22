// Entry of the page.

import './strictCsp.ts';
import { createPinia } from 'pinia';
import { createApp } from 'vue';
import 'uplot/dist/uPlot.min.css';
import './styles/fonts.css';
import './styles/tokens.css';
import './styles/base.css';
import App from './App.vue';
import { startKeys } from './composables/useActions.ts';
import { startTheme } from './composables/useTheme.ts';
import { openConnection } from './connection.ts';

startTheme();
startKeys();
const app = createApp(App).use(createPinia());
openConnection();
app.mount('#app');
