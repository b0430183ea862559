import type { AnnotationQuery, Dashboard } from '@grafana/schema/dist/esm/raw/dashboard/x/Dashboard_types.gen';

// JSON has texts where the types have enums, so each enum becomes the texts it stands for.
type Plain<T> = T extends string
  ? `${T}`
  : T extends (infer Item)[]
    ? Plain<Item>[]
    : T extends object
      ? { [Key in keyof T]: Plain<T[Key]> }
      : T;

// The type knows annotations of Grafana's own store alone; it says itself that this should be any query.
type Query = { refId: string; datasource: { type: string; uid: string }; [key: string]: unknown };
type Annotation = Omit<AnnotationQuery, 'target'> & { target?: Query };

export type Checked = Plain<Omit<Dashboard, 'annotations'>> & { annotations?: { list?: Plain<Annotation>[] } };
