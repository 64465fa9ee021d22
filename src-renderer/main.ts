// Entry of the page.

import './strictCsp.ts';
import { createPinia } from 'pinia';
import { createApp } from 'vue';
import 'uplot/dist/uPlot.min.css';
import './styles/tokens.css';
import './styles/base.css';
import App from './App.vue';
import { openConnection } from './connection.ts';

const app = createApp(App).use(createPinia());
openConnection();
app.mount('#app');
