// One page with every panel of a dashboard at its place, from state.json; its title is 'drawn' once all stand.
import '@fontsource/inter/400.css';
import '@fontsource/inter/500.css';
import '@fontsource/roboto-mono/400.css';
import 'uplot/dist/uPlot.min.css';
import { createTheme } from '@grafana/data';
import { GlobalStyles, PanelChrome, PortalContainer, ThemeContext } from '@grafana/ui';
import { createElement } from 'react';
import { createRoot } from 'react-dom/client';
import { PANELS, prepare, registerTransformers } from './panels.jsx';

const COLUMNS = 24;
const CELL_HEIGHT = 30;
const GAP = 8;
const HEADER = 56;

function place(grid, width) {
  const column = (width - GAP * (COLUMNS + 1)) / COLUMNS;
  return {
    left: GAP + grid.x * (column + GAP), top: HEADER + grid.y * (CELL_HEIGHT + GAP),
    width: grid.w * column + (grid.w - 1) * GAP, height: grid.h * CELL_HEIGHT + (grid.h - 1) * GAP,
  };
}

function Header({ state, theme }) {
  const box = { border: `1px solid ${theme.colors.border.medium}`, borderRadius: 2, padding: '4px 8px', whiteSpace: 'nowrap', background: theme.colors.background.primary };
  return (
    <div style={{ display: 'flex', gap: 8, alignItems: 'center', height: HEADER - GAP, padding: `0 ${GAP}px` }}>
      <span style={{ fontSize: theme.typography.h4.fontSize, fontWeight: 500, marginRight: 16, whiteSpace: 'nowrap' }}>{state.title}</span>
      {state.pickers.map(({ label, text }) => (
        <span key={label} style={box}><span style={{ color: theme.colors.text.secondary }}>{label} </span>{text}</span>
      ))}
      {state.annotations.map(({ name, colour, isOn }) => (
        <span key={name} style={{ ...box, display: 'flex', alignItems: 'center', gap: 6, opacity: isOn ? 1 : 0.5 }}>
          <span style={{ width: 8, height: 8, borderRadius: 4, background: theme.visualization.getColorByName(colour) }} />{name}
        </span>
      ))}
      <span style={{ ...box, marginLeft: 'auto' }}>{state.period}</span>
    </div>
  );
}

function Row({ panel }) {
  return <div style={{ display: 'flex', alignItems: 'center', height: '100%', fontWeight: 500 }}>{panel.collapsed ? '›' : '⌄'}&nbsp; {panel.title}</div>;
}

function Panel({ panel, prepared, theme, range, annotations, width, height }) {
  const shape = PANELS[panel.type];
  const content = (innerWidth, innerHeight) =>
    shape ? createElement(shape, { panel, prepared, theme, range, annotations, width: innerWidth, height: innerHeight }) : <>No picture for panels of type {panel.type}</>;
  return (
    <PanelChrome title={panel.title} description={panel.description} width={width} height={height}
      padding={panel.type === 'table' ? 'none' : 'md'} displayMode={panel.transparent ? 'transparent' : 'default'}>
      {content}
    </PanelChrome>
  );
}

function settled() {
  return new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve, 300)));
}

async function openRows(count) {
  // Each click draws the table anew, so the buttons are looked up every time.
  for (const table of document.querySelectorAll('[data-panel="table"]')) {
    for (let done = 0; done < count; done++) {
      const button = table.querySelectorAll('[aria-label="Expand row"]')[0];
      if (!button) break;
      button.click();
      await settled();
    }
  }
}

async function main() {
  const state = await (await fetch('state.json')).json();
  const theme = createTheme({ colors: { mode: state.theme } });
  registerTransformers();
  const prepared = await Promise.all(state.panels.map((panel) => (panel.frames ? prepare(panel, theme) : undefined)));
  const root = document.getElementById('root');
  root.style.background = theme.colors.background.canvas;
  createRoot(root).render(
    <ThemeContext.Provider value={theme}>
      <GlobalStyles />
      <PortalContainer />
      <Header state={state} theme={theme} />
      {state.panels.map((panel, at) => {
        const box = place(panel.gridPos, state.width);
        return (
          <div key={panel.id} data-panel={panel.type} style={{ position: 'absolute', ...box }}>
            {panel.type === 'row' ? <Row panel={panel} /> : <Panel panel={panel} prepared={prepared[at]} theme={theme} range={state.range} annotations={state.annotations} width={box.width} height={box.height} />}
          </div>
        );
      })}
    </ThemeContext.Provider>
  );
  await document.fonts.ready;
  await settled();
  await openRows(state.openRows);
  await settled();
  document.title = 'drawn';
}

main().catch((error) => {
  document.body.innerText = `${error.stack ?? error}`;
  document.title = 'failed';
});
