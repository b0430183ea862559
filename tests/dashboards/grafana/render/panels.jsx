// The panels of Grafana around its own components: what the panel plugins do, in their shortest form.
import {
  FieldConfigOptionsRegistry,
  VizOrientation,
  applyFieldOverrides,
  createDataFrame,
  dateTime,
  displayNameOverrideProcessor,
  getDisplayProcessor,
  getDisplayValueAlignmentFactors,
  getFieldDisplayValues,
  getLinksSupplier,
  renderTextPanelMarkdown,
  standardTransformers,
  standardTransformersRegistry,
  transformDataFrame,
} from '@grafana/data';
import { BarGauge, BigValue, TimeSeries, VizRepeater } from '@grafana/ui';
import { TableNG } from '@grafana/ui/unstable';
import { useLayoutEffect } from 'react';
import { firstValueFrom } from 'rxjs';

const TIME_ZONE = 'utc';
const STANDARD = ['unit', 'decimals', 'min', 'max', 'noValue', 'displayName', 'thresholds', 'mappings', 'color', 'links'];
// What the plugins add to fields that say nothing themselves.
const CUSTOM = {
  timeseries: {
    drawStyle: 'line', lineInterpolation: 'linear', lineWidth: 1, fillOpacity: 0, gradientMode: 'none', spanNulls: false,
    showPoints: 'auto', pointSize: 5, stacking: { mode: 'none', group: 'A' }, axisPlacement: 'auto', axisLabel: '',
    axisColorMode: 'text', axisBorderShow: false, scaleDistribution: { type: 'linear' }, axisCenteredZero: false,
    hideFrom: { tooltip: false, viz: false, legend: false }, thresholdsStyle: { mode: 'off' }, insertNulls: false,
  },
  table: { align: 'auto', cellOptions: { type: 'auto' }, inspect: false },
};

// ${__field.labels.x}, ${__series.name} and the like; ${__data.fields.x} and variables in links stay, as nobody clicks.
export function replaceVariables(text, scoped) {
  if (typeof text !== 'string') {
    return text;
  }
  return text.replace(/\$\{__(field|series)\.([^:}]+)(?::[^}]*)?\}/g, (whole, name, path) => {
    const { field, frame } = scoped?.__dataContext?.value ?? {};
    const keys = path.replace(/\[["']?(.+?)["']?\]/g, '.$1').split('.');
    const found = keys.reduce((value, key) => value?.[key], name === 'field' ? field : frame);
    return found === undefined ? whole : String(found);
  });
}

function property(path, isCustom) {
  return {
    id: isCustom ? `custom.${path}` : path, path, name: path, isCustom, editor: () => null, override: () => null,
    process: path === 'displayName' ? displayNameOverrideProcessor : (value) => value,
    settings: { expandTemplateVars: true }, shouldApply: () => true,
  };
}

// Which properties a panel has: the standard ones, and what its plugin or the dashboard itself names.
function propertiesOf(panel, config) {
  const registry = new FieldConfigOptionsRegistry();
  STANDARD.forEach((name) => registry.register(property(name, false)));
  const named = config.overrides.flatMap((override) => override.properties.map((item) => item.id));
  const custom = named.filter((id) => id.startsWith('custom.')).map((id) => id.slice('custom.'.length));
  new Set([...Object.keys(config.defaults.custom ?? {}), ...custom]).forEach((name) => registry.register(property(name, true)));
  return registry;
}

export async function prepare(panel, theme) {
  const defaults = panel.fieldConfig?.defaults ?? {};
  const config = {
    defaults: { color: { mode: panel.type === 'timeseries' ? 'palette-classic' : 'thresholds' }, ...defaults, custom: { ...CUSTOM[panel.type], ...defaults.custom } },
    overrides: panel.fieldConfig?.overrides ?? [],
  };
  let frames = panel.frames.map(createDataFrame);
  if (panel.transformations?.length) {
    frames = await firstValueFrom(transformDataFrame(panel.transformations, frames, { interpolate: (text) => text }));
  }
  const registry = propertiesOf(panel, config);
  const data = applyFieldOverrides({ data: frames, theme, timeZone: TIME_ZONE, replaceVariables, fieldConfig: config, fieldConfigRegistry: registry });
  for (const frame of data) {
    for (const field of frame.fields) {
      field.display ??= getDisplayProcessor({ field, theme, timeZone: TIME_ZONE });
      field.getLinks ??= getLinksSupplier(frame, field, {}, replaceVariables, TIME_ZONE);
    }
  }
  return { data, config };
}

export function registerTransformers() {
  const byId = new Map(Object.values(standardTransformers).map((one) => [one.id, one])); // some stand there under two names
  standardTransformersRegistry.setInit(() =>
    [...byId.values()].map((one) => ({ id: one.id, name: one.name, transformation: async () => one, editor: () => null }))
  );
}

function Empty({ config, width, height }) {
  return <div style={{ width, height, display: 'flex', alignItems: 'center', justifyContent: 'center', textAlign: 'center' }}>{config.defaults.noValue ?? 'No data'}</div>;
}

function displayed(panel, { data, config }, theme) {
  return getFieldDisplayValues({
    data, theme, replaceVariables, fieldConfig: config, timeZone: TIME_ZONE,
    reduceOptions: panel.options.reduceOptions, sparkline: (panel.options.graphMode ?? 'none') !== 'none',
  });
}

function Stat({ panel, prepared, theme, width, height }) {
  const { colorMode = 'value', graphMode = 'none', justifyMode = 'auto', textMode = 'auto', text, orientation = 'auto', wideLayout = true } = panel.options;
  return (
    <VizRepeater width={width} height={height} source={prepared.data} renderCounter={0} orientation={orientation} autoGrid
      getValues={() => displayed(panel, prepared, theme)} getAlignmentFactors={getDisplayValueAlignmentFactors}
      renderValue={({ value, count, width, height, alignmentFactors }) => (
        <BigValue value={value.display} sparkline={value.sparkline} {...{ count, width, height, alignmentFactors, theme, colorMode, graphMode, justifyMode, textMode, text, wideLayout }} />
      )} />
  );
}

function Bars({ panel, prepared, theme, width, height }) {
  const { orientation = VizOrientation.Auto, displayMode = 'gradient', showUnfilled = true, valueMode, namePlacement, text } = panel.options;
  return (
    <VizRepeater width={width} height={height} source={prepared.data} renderCounter={0} orientation={orientation}
      minVizWidth={8} minVizHeight={panel.options.minVizHeight ?? 16} maxVizHeight={panel.options.maxVizHeight ?? 300} itemSpacing={8}
      getValues={() => displayed(panel, prepared, theme)} getAlignmentFactors={getDisplayValueAlignmentFactors}
      renderValue={({ value, width, height, alignmentFactors, orientation }) => (
        <BarGauge value={value.display} field={value.field} display={value.view?.getFieldDisplayProcessor(value.colIndex)}
          {...{ width, height, alignmentFactors, orientation, theme, displayMode, showUnfilled, namePlacement, text }} valueDisplayMode={valueMode} />
      )} />
  );
}

const MARK_PX = 5;

// A dashed line through the plot and a triangle below it, as Grafana draws an annotation.
function Marks({ annotations, config, theme }) {
  useLayoutEffect(() => {
    config.addHook('draw', ({ ctx, bbox, valToPos }) => {
      const bottom = bbox.top + bbox.height;
      const size = MARK_PX * devicePixelRatio;
      ctx.save();
      for (const { colour, marks } of annotations) {
        ctx.strokeStyle = ctx.fillStyle = theme.visualization.getColorByName(colour);
        ctx.lineWidth = 2 * devicePixelRatio;
        ctx.setLineDash([size, size]);
        for (const { time } of marks) {
          const x = valToPos(time, 'x', true);
          ctx.beginPath();
          ctx.moveTo(x, bbox.top);
          ctx.lineTo(x, bottom);
          ctx.stroke();
          ctx.beginPath();
          ctx.moveTo(x - size, bottom + size);
          ctx.lineTo(x, bottom);
          ctx.lineTo(x + size, bottom + size);
          ctx.fill();
        }
      }
      ctx.restore();
    });
  }, [config]);
  return null;
}

function Lines({ panel, prepared, theme, width, height, range, annotations }) {
  if (!prepared.data.some((frame) => frame.length)) {
    return <Empty config={prepared.config} width={width} height={height} />;
  }
  const timeRange = { from: dateTime(range.from), to: dateTime(range.to), raw: { from: dateTime(range.from), to: dateTime(range.to) } };
  const legend = { displayMode: 'list', placement: 'bottom', calcs: [], showLegend: true, ...panel.options?.legend };
  return (
    <TimeSeries frames={prepared.data} timeZone={TIME_ZONE} options={{}} {...{ width, height, theme, legend, timeRange }}>
      {(config) => <Marks {...{ annotations, config, theme }} />}
    </TimeSeries>
  );
}

function Table({ panel, prepared, width, height }) {
  const frame = prepared.data[panel.options?.frameIndex ?? 0];
  if (!frame?.fields.length || !frame.length) {
    return <Empty config={prepared.config} width={width} height={height} />;
  }
  const { showHeader = true, sortBy, cellHeight, showTypeIcons } = panel.options ?? {};
  return (
    <TableNG data={frame} fieldConfig={prepared.config} structureRev={1} noHeader={!showHeader} initialRowIndex={undefined}
      getActions={() => []} enableVirtualization={false} {...{ width, height, sortBy, cellHeight, showTypeIcons }} />
  );
}

function Text({ panel }) {
  const { mode = 'markdown', content = '' } = panel.options ?? {};
  const html = mode === 'markdown' ? renderTextPanelMarkdown(content) : content;
  return <div className="markdown-html" dangerouslySetInnerHTML={{ __html: html }} />;
}

export const PANELS = { stat: Stat, bargauge: Bars, timeseries: Lines, table: Table, text: Text };
