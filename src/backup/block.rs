//! Item blocks: the items that must be saved together (spec backup 8).
//!
//! One worker saves a block, from its pods' pre hooks to their post hooks. A block holds pods that share a claim, the claim and its
//! volume, claims that are snapshotted as a group, and the items of a type that the user ordered.

/// Blocks over items known by their place (0, 1, 2, …).
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Blocks {
    /// The items, block after block.
    items: Vec<u32>,
    /// Where each block ends.
    ends: Vec<u32>,
}

/// Which items belong together, collected pair by pair.
#[derive(Debug)]
pub(super) struct Links {
    parents: Vec<u32>,
}

impl Links {
    /// Items `0..count`, each on its own.
    pub(super) fn new(count: u32) -> Self {
        Self {
            parents: (0..count).collect(),
        }
    }

    /// Two items belong into one block.
    pub(super) fn join(&mut self, a: u32, b: u32) {
        let (a, b) = (self.root(a), self.root(b));
        // The smaller place is the root, so that the result does not depend on the order of the calls.
        self.parents[a.max(b) as usize] = a.min(b);
    }

    fn root(&mut self, mut item: u32) -> u32 {
        while self.parents[item as usize] != item {
            let grandparent = self.parents[self.parents[item as usize] as usize];
            self.parents[item as usize] = grandparent;
            item = grandparent;
        }
        item
    }

    /// The blocks of items that are to be saved in this order. A block has the place of its first item, and keeps the order
    /// within.
    pub(super) fn blocks(mut self, order: &[u32]) -> Blocks {
        const UNSEEN: u32 = u32::MAX;
        let mut block_of_root = vec![UNSEEN; self.parents.len()];
        let mut sizes: Vec<u32> = Vec::new();
        for &item in order {
            let block = &mut block_of_root[self.root(item) as usize];
            if *block == UNSEEN {
                *block = u32::try_from(sizes.len()).unwrap_or(UNSEEN);
                sizes.push(0);
            }
            sizes[*block as usize] += 1;
        }
        let mut ends = sizes;
        let mut start = 0;
        for end in &mut ends {
            // First the place of the block's next item; it is the block's end when all items are placed.
            (*end, start) = (start, start + *end);
        }
        let mut items = vec![0; order.len()];
        for &item in order {
            let next = &mut ends[block_of_root[self.root(item) as usize] as usize];
            items[*next as usize] = item;
            *next += 1;
        }
        Blocks { items, ends }
    }
}

impl Blocks {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The items of a block; none beyond the last.
    pub(super) fn get(&self, block: usize) -> &[u32] {
        let start = block.checked_sub(1).map_or(0, |before| self.ends[before] as usize);
        self.ends
            .get(block)
            .map_or(&[], |end| &self.items[start..*end as usize])
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn blocks(count: u32, links: &[(u32, u32)], order: &[u32]) -> Vec<Vec<u32>> {
        let mut joined = Links::new(count);
        for (a, b) in links {
            joined.join(*a, *b);
        }
        let blocks = joined.blocks(order);
        (0..blocks.len()).map(|block| blocks.get(block).to_vec()).collect()
    }

    #[test]
    fn linked_items_share_a_block_at_the_place_of_its_first_item() {
        // what, how many, links, order, blocks
        let cases = [
            ("nothing", 0, vec![], vec![], vec![]),
            ("no links", 3, vec![], vec![0, 1, 2], vec![vec![0], vec![1], vec![2]]),
            (
                "pods 0 and 2 share claim 3, its volume is 4",
                5,
                vec![(0, 3), (2, 3), (3, 4)],
                vec![0, 1, 2, 3, 4],
                vec![vec![0, 2, 3, 4], vec![1]],
            ),
            (
                "the user's order holds in a block",
                3,
                vec![(0, 2), (2, 1)],
                vec![2, 0, 1],
                vec![vec![2, 0, 1]],
            ),
            (
                "and between blocks",
                4,
                vec![(1, 2)],
                vec![3, 2, 1, 0],
                vec![vec![3], vec![2, 1], vec![0]],
            ),
        ];
        for (what, count, links, order, expected) in cases {
            assert_eq!(blocks(count, &links, &order), expected, "{what}");
        }
    }

    proptest! {
        #[test]
        fn every_item_is_in_exactly_one_block_with_all_it_is_linked_to(
            links in prop::collection::vec((0_u32..40, 0_u32..40), 0..60),
            order in Just((0..40).collect::<Vec<u32>>()).prop_shuffle(),
        ) {
            let found = blocks(40, &links, &order);
            let mut all: Vec<u32> = found.concat();
            all.sort_unstable();
            prop_assert_eq!(all, (0..40).collect::<Vec<u32>>());
            for (a, b) in links {
                prop_assert!(found.iter().any(|block| block.contains(&a) && block.contains(&b)));
            }
        }
    }
}
