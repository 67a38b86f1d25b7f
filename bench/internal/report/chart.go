package report

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"

	"sio.example/socketio/bench/internal/stats"
)

// The measures of the chart, in pixels.
const (
	chartWidth = 900
	plotLeft   = 118
	plotWidth  = 560
	rowHeight  = 40
	barHeight  = 16
	thinHeight = 5
	topMargin  = 128
	bottom     = 46
	widest     = 1.6 // ratios beyond are drawn at the edge
)

const chartStyle = `
  svg { color-scheme: light dark; }
  .paper { fill: #ffffff; } .frame { fill: none; stroke: #d0d7de; }
  text { font-family: system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; font-size: 13px; fill: #1f2328; }
  .title { font-size: 17px; font-weight: 600; } .soft { fill: #59636e; } .small { font-size: 11.5px; }
  .name { font-weight: 600; } .end { text-anchor: end; } .mid { text-anchor: middle; }
  .grid { stroke: #d0d7de; stroke-width: 1; stroke-dasharray: 2 3; } .one { stroke: #59636e; stroke-width: 1; }
  .node { fill: #e4e8ec; } .ours { fill: #0f62d6; } .any { fill: #85b3f2; }
  .range { stroke: #1f2328; stroke-width: 1.2; opacity: .55; }
  .mark { stroke: #ffffff; stroke-width: 1.5; paint-order: stroke; }
  .floor { fill: #1a7f37; } .model { fill: #bf5700; } .gorilla { fill: #8250df; }
  @media (prefers-color-scheme: dark) {
    .paper { fill: #0d1117; } .frame { stroke: #30363d; }
    text { fill: #e6edf3; } .soft { fill: #9198a1; }
    .grid { stroke: #30363d; } .one { stroke: #9198a1; }
    .node { fill: #262c36; } .ours { fill: #4493f8; } .any { fill: #23528f; }
    .range { stroke: #e6edf3; } .mark { stroke: #0d1117; }
    .floor { fill: #3fb950; } .model { fill: #f0883e; } .gorilla { fill: #ab7df8; }
  }
`

type chart struct {
	b     bytes.Buffer
	r     *Report
	scale float64 // the ratio at the right edge
}

// Chart writes an SVG picture of the ratios to socket.io on Node: a bar for each scenario, marks for the other servers.
func (r *Report) Chart(w io.Writer) error {
	c := &chart{r: r, scale: 1.1}
	scenarios := r.scenarios()
	for _, s := range scenarios {
		for _, column := range r.Columns {
			c.scale = max(c.scale, min(widest, r.Ratio(s.Name, column.Name, Node).Median+0.05))
		}
	}
	height := topMargin + len(scenarios)*rowHeight + bottom
	c.printf(`<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" role="img" `+
		`aria-labelledby="t d">`+"\n",
		chartWidth, height, chartWidth, height)
	c.printf("<title id=\"t\">What a message costs, as a share of what it costs socket.io on Node</title>\n")
	c.printf("<desc id=\"d\">")
	for _, s := range scenarios {
		if ratio := r.Ratio(s.Name, Typed, Node); ratio.N > 0 {
			c.printf("%s %.2f. ", s.Name, ratio.Median)
		}
	}
	c.printf("</desc>\n<style>%s</style>\n", chartStyle)
	c.printf(`<rect class="paper" width="%d" height="%d" rx="8"/><rect class="frame" x=".5" y=".5" width="%d" `+
		`height="%d" rx="8"/>`+"\n",
		chartWidth, height, chartWidth-1, height-1)
	c.text(24, 34, "title", "What a message costs, beside socket.io on Node")
	c.text(24, 56, "soft", "Server CPU for each message; idle: memory for each connection. Shorter is better. "+
		r.runs())
	c.legend()
	c.axis(len(scenarios))
	c.text(plotLeft+plotWidth+52, topMargin-17, "soft small end", "of Node")
	c.text(chartWidth-24, topMargin-17, "soft small end", "this server / Node")
	for i, s := range scenarios {
		c.row(topMargin+i*rowHeight, s.Name)
	}
	c.text(24, height-18, "soft small", fmt.Sprintf("%s, %d cores, %s. Thin lines: smallest and largest ratio.",
		r.Machine.CPU, r.Machine.Cores, r.Date))
	c.printf("</svg>\n")
	_, err := w.Write(c.b.Bytes())
	return err
}

// runs says how often all was measured.
func (r *Report) runs() string {
	if r.Repetitions == 1 {
		return "A single run."
	}
	return fmt.Sprintf("Median of %d interleaved runs.", r.Repetitions)
}

func (c *chart) printf(format string, args ...any) { fmt.Fprintf(&c.b, format, args...) }

func (c *chart) text(x, y int, class, text string) {
	c.printf(`<text x="%d" y="%d" class="%s">`, x, y, class)
	_ = xml.EscapeText(&c.b, []byte(text)) // a buffer takes all
	c.printf("</text>\n")
}

// x is where a ratio stands.
func (c *chart) x(ratio float64) float64 {
	return plotLeft + plotWidth*min(ratio, c.scale)/c.scale
}

func (c *chart) legend() {
	x, y := 24, 82
	for _, k := range []struct {
		column, title string
		width         int
	}{
		{Typed, "this server, declared types", 190}, {Any, "this server, any", 124}, {Node, "socket.io on Node", 138},
		{Model, "model", 66}, {Floor, "floor", 60}, {"gorilla", "gorilla/websocket", 130},
	} {
		if !c.r.has(k.column) {
			continue
		}
		switch k.column {
		case Typed:
			c.printf(`<rect class="ours" x="%d" y="%d" width="14" height="12" rx="3"/>`, x, y-10)
		case Any:
			c.printf(`<rect class="any" x="%d" y="%d" width="14" height="%d" rx="2"/>`, x, y-6, thinHeight)
		case Node:
			c.printf(`<rect class="node" x="%d" y="%d" width="14" height="12" rx="3"/>`, x, y-10)
		default:
			c.mark(k.column, float64(x+7), y-4, "")
		}
		c.text(x+20, y, "small", k.title)
		x += k.width
	}
}

func (c *chart) axis(rows int) {
	const step = 0.25
	for i := 0; float64(i)*step <= c.scale; i++ {
		ratio := float64(i) * step
		class := "grid"
		if i == 4 || i == 0 {
			class = "one"
		}
		x := c.x(ratio)
		c.printf(`<line class="%s" x1="%.1f" y1="%d" x2="%.1f" y2="%d"/>`,
			class, x, topMargin-10, x, topMargin+rows*rowHeight-6)
		label := fmt.Sprintf("%.2f", ratio)
		switch i {
		case 0:
			label = "0"
		case 4:
			label = "1 = Node"
		}
		c.text(int(x), topMargin-17, "soft small mid", label)
	}
}

func (c *chart) row(y int, scenario string) {
	r := c.r
	ours, node := r.Ratio(scenario, Typed, Node), r.Summary(scenario, Node, Cost)
	middle := y + barHeight/2
	c.text(24, middle+5, "name", scenario)
	if node.N > 0 {
		c.printf(`<rect class="node" x="%d" y="%d" width="%.1f" height="%d" rx="3"/>`+"\n",
			plotLeft, y, c.x(1)-plotLeft, barHeight)
	}
	if ours.N > 0 {
		c.printf(`<rect class="ours" x="%d" y="%d" width="%.1f" height="%d" rx="3"><title>%s: %.2f of Node (%.2f to `+
			`%.2f)</title></rect>`+"\n",
			plotLeft, y, c.x(ours.Median)-plotLeft, barHeight, scenario, ours.Median, ours.Min, ours.Max)
	}
	if any := r.Ratio(scenario, Any, Node); any.N > 0 {
		c.printf(`<rect class="any" x="%d" y="%d" width="%.1f" height="%d" rx="2"><title>%s, any: %.2f of `+
			`Node</title></rect>`+"\n",
			plotLeft, y+barHeight+2, c.x(any.Median)-plotLeft, thinHeight, scenario, any.Median)
	}
	if ours.N > 1 {
		c.printf(`<line class="range" x1="%.1f" y1="%d" x2="%.1f" y2="%d"/>`+"\n",
			c.x(ours.Min), middle, c.x(ours.Max), middle)
	}
	for _, column := range []string{"gorilla", Model, Floor} {
		if ratio := r.Ratio(scenario, column, Node); ratio.N > 0 {
			c.mark(column, c.x(ratio.Median), middle,
				fmt.Sprintf("%s, %s: %.2f of Node", scenario, column, ratio.Median))
		}
	}
	c.values(middle+5, scenario, ours, node)
}

// values writes the figures at the end of a row.
func (c *chart) values(y int, scenario string, ratio, node stats.Summary) {
	own := c.r.Summary(scenario, Typed, Cost)
	if own.N == 0 {
		return
	}
	if ratio.N > 0 {
		c.text(plotLeft+plotWidth+52, y, "name end", fmt.Sprintf("%.2f", ratio.Median))
	}
	c.text(chartWidth-94, y, "end small", cost(scenario, own.Median))
	if node.N > 0 {
		c.text(chartWidth-24, y, "soft end small", "/ "+cost(scenario, node.Median))
	}
}

// mark draws the sign of a column.
func (c *chart) mark(column string, x float64, y int, title string) {
	const r = 5
	switch column {
	case Floor:
		c.printf(`<rect class="mark floor" x="%.1f" y="%d" width="4" height="%d" rx="1.5">`, x-2, y-10, 20)
		c.printf("<title>%s</title></rect>\n", title)
	case Model:
		c.printf(`<path class="mark model" d="M%.1f %d l%d %d l%d %d l%d %d z">`,
			x, y-r-1, r+1, r+1, -r-1, r+1, -r-1, -r-1)
		c.printf("<title>%s</title></path>\n", title)
	default:
		c.printf(`<circle class="mark gorilla" cx="%.1f" cy="%d" r="%d">`, x, y, r)
		c.printf("<title>%s</title></circle>\n", title)
	}
}
