//! Where the nodes of a directed graph are drawn: in layers from left to right, so that calls lead to the right.
//!
//! Sugiyama's four steps: edges that close a circle are turned round, nodes get layers by their longest way from a source,
//! layers are ordered so that few edges cross, and nodes are moved towards those that they are joined with. An edge over
//! several layers has a *bend* in each. The same graph has the same drawing; walks are loops
//! ([ADR 21](../../docs/adr/0021-own-layered-layout.md)).

use std::cmp::Ordering;

/// How often the layers are ordered, to the right and to the left in turn.
const SWEEPS: usize = 12;
/// How often nodes are moved towards those that they are joined with.
const MOVES: usize = 10;
/// The most bends of a drawing; where there would be more, edges are drawn straight.
const BENDS_MAX: usize = 20_000;

/// Lays a graph out. Nodes have numbers from 0; an edge leads from one to another.
pub(crate) trait Layout {
    /// The places of `nodes` and the ways of `edges`.
    fn lay_out(&self, nodes: usize, edges: &[(usize, usize)]) -> Drawing;
}

/// Places in units of layers across and of rows down.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Drawing {
    /// Of each node: its layer, and how far down.
    pub(crate) places: Vec<(usize, f64)>,
    /// Of each edge: the places that it goes through, its ends included, from its first node to its second.
    pub(crate) ways: Vec<Vec<(usize, f64)>>,
    /// How many layers there are.
    pub(crate) layers: usize,
    /// How far down the lowest node is.
    pub(crate) height: f64,
}

/// Layers from left to right.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Layered;

impl Layout for Layered {
    fn lay_out(&self, nodes: usize, edges: &[(usize, usize)]) -> Drawing {
        let forward = without_circles(nodes, edges);
        let layers = layers(nodes, &forward);
        let mut net = Net::new(nodes, &forward, layers);
        net.order();
        net.place();
        net.drawing(nodes, edges, &forward)
    }
}

/// The edges with those turned round that close a circle. An edge of a node to itself stays.
fn without_circles(nodes: usize, edges: &[(usize, usize)]) -> Vec<(usize, usize)> {
    let mut out = vec![Vec::new(); nodes];
    let mut incoming = vec![0_usize; nodes];
    for (number, (from, to)) in edges.iter().enumerate().filter(|(_, (from, to))| from != to) {
        out[*from].push(number);
        incoming[*to] += 1;
    }
    let mut turned = edges.to_vec();
    // 0 not seen, 1 above the node that is looked at, 2 done.
    let mut state = vec![0_u8; nodes];
    // Those that nobody calls first, then those that call most.
    let mut order: Vec<usize> = (0..nodes).collect();
    order.sort_by_key(|node| (incoming[*node] > 0, std::cmp::Reverse(out[*node].len()), *node));
    for first in order {
        if state[first] != 0 {
            continue;
        }
        state[first] = 1;
        let mut stack = vec![(first, 0)];
        while let Some((node, next)) = stack.last_mut() {
            let Some(edge) = out[*node].get(*next).copied() else {
                state[*node] = 2;
                stack.pop();
                continue;
            };
            *next += 1;
            let (from, to) = edges[edge];
            match state[to] {
                0 => {
                    state[to] = 1;
                    stack.push((to, 0));
                }
                1 => turned[edge] = (to, from),
                _ => {}
            }
        }
    }
    turned
}

/// The layer of each node: one more than the last of those before it. A node that nobody leads to stands just before
/// the first that it leads to.
fn layers(nodes: usize, edges: &[(usize, usize)]) -> Vec<usize> {
    let (mut out, mut waiting) = (vec![Vec::new(); nodes], vec![0_usize; nodes]);
    for (from, to) in edges.iter().filter(|(from, to)| from != to) {
        out[*from].push(*to);
        waiting[*to] += 1;
    }
    let sources: Vec<usize> = (0..nodes).filter(|node| waiting[*node] == 0).collect();
    let (mut layers, mut ready) = (vec![0; nodes], sources.clone());
    while let Some(node) = ready.pop() {
        for next in &out[node] {
            layers[*next] = layers[*next].max(layers[node] + 1);
            waiting[*next] -= 1;
            if waiting[*next] == 0 {
                ready.push(*next);
            }
        }
    }
    for source in sources {
        let first = out[source].iter().map(|next| layers[*next]).min();
        layers[source] = first.map_or(0, |first: usize| first.saturating_sub(1));
    }
    layers
}

/// Nodes and bends in layers, joined from each layer to the next.
struct Net {
    layer_of: Vec<usize>,
    layers: Vec<Vec<usize>>,
    left: Vec<Vec<usize>>,
    right: Vec<Vec<usize>>,
    /// For each edge its bends from left to right.
    bends: Vec<Vec<usize>>,
    y: Vec<f64>,
}

impl Net {
    fn new(nodes: usize, edges: &[(usize, usize)], mut layer_of: Vec<usize>) -> Self {
        let length = |(from, to): &(usize, usize)| layer_of[*to].saturating_sub(layer_of[*from]);
        let all: usize = edges.iter().map(|edge| length(edge).saturating_sub(1)).sum();
        let mut joined = Vec::new();
        let mut bends = vec![Vec::new(); edges.len()];
        for (number, edge) in edges.iter().enumerate().filter(|(_, (from, to))| from != to) {
            let (mut before, first, last) = (edge.0, layer_of[edge.0], layer_of[edge.1]);
            if all <= BENDS_MAX {
                for layer in first + 1..last {
                    bends[number].push(layer_of.len());
                    joined.push((before, layer_of.len()));
                    before = layer_of.len();
                    layer_of.push(layer);
                }
            }
            joined.push((before, edge.1));
        }
        let count = layer_of.iter().max().map_or(0, |last| last + 1);
        let mut layers = vec![Vec::new(); count];
        (0..layer_of.len()).for_each(|place| layers[layer_of[place]].push(place));
        let (mut left, mut right) = (vec![Vec::new(); layer_of.len()], vec![Vec::new(); layer_of.len()]);
        for (from, to) in joined {
            right[from].push(to);
            left[to].push(from);
        }
        let y = vec![0.0; layer_of.len()];
        debug_assert!(nodes <= layer_of.len());
        Self { layer_of, layers, left, right, bends, y }
    }

    /// Orders the layers, so that few edges cross.
    fn order(&mut self) {
        self.number();
        let (mut best, mut fewest) = (self.layers.clone(), self.crossings());
        for sweep in 0..SWEEPS {
            let to_the_right = sweep % 2 == 0;
            let count = self.layers.len();
            let mut order: Vec<usize> = (0..count).collect();
            if !to_the_right {
                order.reverse();
            }
            for layer in order {
                let beside = if to_the_right { &self.left } else { &self.right };
                let y = &self.y;
                let mean = |node: usize| mean(beside[node].iter().map(|other| y[*other])).unwrap_or(y[node]);
                let mut keyed: Vec<(f64, usize)> =
                    self.layers[layer].iter().map(|node| (mean(*node), *node)).collect();
                keyed.sort_by(|a, b| a.0.partial_cmp(&b.0).unwrap_or(Ordering::Equal));
                self.layers[layer] = keyed.into_iter().map(|(_, node)| node).collect();
                for (place, node) in self.layers[layer].iter().enumerate() {
                    self.y[*node] = place as f64;
                }
            }
            let crossings = self.crossings();
            if crossings < fewest {
                (best, fewest) = (self.layers.clone(), crossings);
            }
        }
        self.layers = best;
        self.number();
    }

    /// Gives each node its place in its layer.
    fn number(&mut self) {
        for layer in &self.layers {
            layer.iter().enumerate().for_each(|(place, node)| self.y[*node] = place as f64);
        }
    }

    /// How many edges cross between layers beside one another.
    fn crossings(&self) -> usize {
        let of_layer = |layer: &Vec<usize>| {
            let mut ends: Vec<usize> = Vec::new();
            for node in layer {
                let mut here: Vec<usize> =
                    self.right[*node].iter().map(|other| self.y[*other] as usize).collect();
                here.sort_unstable();
                ends.extend(here);
            }
            inversions(&mut ends)
        };
        self.layers.iter().map(of_layer).sum()
    }

    /// Moves nodes towards those that they are joined with, one row apart at least.
    fn place(&mut self) {
        let most = self.layers.iter().map(Vec::len).max().unwrap_or(0) as f64;
        for layer in &self.layers {
            let above = (most - layer.len() as f64) / 2.0;
            layer.iter().enumerate().for_each(|(place, node)| self.y[*node] = above + place as f64);
        }
        for _ in 0..MOVES {
            for layer in &self.layers {
                let wanted: Vec<f64> = layer
                    .iter()
                    .map(|node| {
                        let beside = self.left[*node].iter().chain(&self.right[*node]);
                        mean(beside.map(|other| self.y[*other])).unwrap_or(self.y[*node])
                    })
                    .collect();
                for (node, y) in layer.iter().zip(apart(&wanted)) {
                    self.y[*node] = y;
                }
            }
        }
        let top = self.y.iter().copied().fold(f64::INFINITY, f64::min);
        self.y.iter_mut().for_each(|y| *y -= top);
    }

    fn drawing(self, nodes: usize, edges: &[(usize, usize)], forward: &[(usize, usize)]) -> Drawing {
        let at = |place: usize| (self.layer_of[place], self.y[place]);
        let ways = edges.iter().zip(forward).zip(&self.bends).map(|((edge, forward), bends)| {
            let through = std::iter::once(forward.0).chain(bends.iter().copied()).chain([forward.1]);
            let mut way: Vec<(usize, f64)> = through.map(at).collect();
            if edge != forward {
                way.reverse();
            }
            way
        });
        Drawing {
            ways: ways.collect(),
            places: (0..nodes).map(at).collect(),
            layers: self.layers.len(),
            height: (0..nodes).map(|node| self.y[node]).fold(0.0, f64::max),
        }
    }
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values.fold((0.0, 0_u32), |(sum, count), value| (sum + value, count + 1));
    (count > 0).then(|| sum / f64::from(count))
}

/// Places one row apart, in the same order, near those that are wanted: what is too close forms a block around the mean
/// of what its members want.
fn apart(wanted: &[f64]) -> Vec<f64> {
    // Sum of what the members want less their place in the block, and how many they are.
    let mut blocks: Vec<(f64, usize)> = Vec::new();
    for want in wanted {
        blocks.push((*want, 1));
        while let [.., (sum_before, before), (sum, here)] = blocks.as_slice() {
            let (top, end) = (sum / *here as f64, sum_before / *before as f64 + *before as f64);
            if top >= end {
                break;
            }
            let joined = (sum_before + sum - (*before * *here) as f64, before + here);
            blocks.truncate(blocks.len() - 2);
            blocks.push(joined);
        }
    }
    let of_block =
        |(sum, count): (f64, usize)| (0..count).map(move |place| sum / count as f64 + place as f64);
    blocks.into_iter().flat_map(of_block).collect()
}

/// How many pairs of a list are in the wrong order; sorts it.
fn inversions(list: &mut [usize]) -> usize {
    let (mut width, mut wrong) = (1, 0);
    let mut spare = list.to_vec();
    while width < list.len() {
        for from in (0..list.len()).step_by(2 * width) {
            let (middle, end) = ((from + width).min(list.len()), (from + 2 * width).min(list.len()));
            let (mut left, mut right) = (from, middle);
            for place in &mut spare[from..end] {
                let takes_left = left < middle && (right >= end || list[left] <= list[right]);
                if takes_left {
                    (*place, left) = (list[left], left + 1);
                } else {
                    wrong += middle - left;
                    (*place, right) = (list[right], right + 1);
                }
            }
        }
        list.copy_from_slice(&spare);
        width *= 2;
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_lead_to_the_right_and_nodes_stand_apart() {
        let cases = [
            ("chain", 4, vec![(0, 1), (1, 2), (2, 3), (0, 3)]),
            ("star", 6, (1..6).map(|to| (0, to)).collect()),
            ("circle", 3, vec![(0, 1), (1, 2), (2, 0)]),
            ("itself", 2, vec![(0, 0), (0, 1), (1, 0)]),
            ("apart", 5, vec![(0, 1), (2, 3)]),
            ("nothing", 0, Vec::new()),
        ];
        for (name, nodes, edges) in cases {
            let drawing = Layered.lay_out(nodes, &edges);
            assert_eq!((drawing.places.len(), drawing.ways.len()), (nodes, edges.len()), "{name}");
            for (edge, way) in edges.iter().zip(&drawing.ways) {
                assert_eq!(
                    (way[0], *way.last().unwrap()),
                    (drawing.places[edge.0], drawing.places[edge.1]),
                    "{name}"
                );
                let steps = way.windows(2).map(|pair| pair[1].0.abs_diff(pair[0].0));
                assert!(
                    steps.into_iter().all(|step| step == usize::from(edge.0 != edge.1)),
                    "{name} {way:?}"
                );
            }
            for (at, one) in drawing.places.iter().enumerate() {
                let beside = drawing.places[at + 1..].iter().filter(|other| other.0 == one.0);
                assert!(
                    beside.into_iter().all(|other| (other.1 - one.1).abs() > 0.999),
                    "{name} {:?}",
                    drawing.places
                );
                assert!(one.1 >= -1e-9 && one.1 <= drawing.height && one.0 < drawing.layers, "{name}");
            }
            assert_eq!(drawing, Layered.lay_out(nodes, &edges), "{name}");
        }
    }

    #[test]
    fn few_edges_cross() {
        // Two ladders that an order by number would cross.
        let drawing = Layered.lay_out(6, &[(0, 5), (1, 4), (2, 3)]);
        let order = |nodes: [usize; 3]| {
            let mut nodes = nodes;
            nodes.sort_by(|a, b| drawing.places[*a].1.total_cmp(&drawing.places[*b].1));
            nodes.map(|node| node % 3)
        };
        let (left, right) = (order([0, 1, 2]), order([3, 4, 5]));
        assert_eq!(left.map(|node| 2 - node), right);
        assert_eq!(inversions(&mut [3, 1, 2]), 2);
        assert_eq!(inversions(&mut [1, 2, 3]), 0);
    }

    #[test]
    fn long_chains_and_dense_graphs_end() {
        let chain: Vec<(usize, usize)> = (0..3_000).map(|node| (node, node + 1)).collect();
        assert_eq!(Layered.lay_out(3_001, &chain).layers, 3_001);
        let dense: Vec<(usize, usize)> = (0..40).flat_map(|from| (0..40).map(move |to| (from, to))).collect();
        assert_eq!(Layered.lay_out(40, &dense).places.len(), 40);
    }

    #[test]
    fn blocks_stand_around_what_they_want() {
        assert_eq!(apart(&[0.0, 0.0]), [-0.5, 0.5]);
        assert_eq!(apart(&[0.0, 5.0]), [0.0, 5.0]);
        assert_eq!(apart(&[2.0, 2.0, 2.0]), [1.0, 2.0, 3.0]);
    }
}
