//! The normal form of a state, which keeps the model small.
//!
//! Two states that differ only in which process or which inode is called what are the same state: no step and no property asks for a
//! name, so that this reduction by symmetry is sound. [`Name`]s are neither compared nor hashed.
//!
//! Tokens are ranks: after each step they are numbered anew in their order, so that any number of rounds is a finite number of
//! states. A token is only ever compared with others, or made one larger than the largest known.

use crate::state::{Contender, FILES, File, Inode, Name, State, Story, Whose};

impl State {
    /// Puts away what nobody can see any more, and whatever differs without a difference.
    ///
    /// Inodes are numbered anew in an order that depends on the numbers as little as can be; any order would be right, a better
    /// one leaves fewer states.
    pub fn normalize(&mut self, are_numbers_reused: bool) {
        if self.holders() + self.ancestors_holding() > 1 {
            self.faults.muddled = true;
        }
        self.free_files(are_numbers_reused);
        self.rank_tokens();
        let seen = *self;
        self.contenders.sort_unstable_by_key(|who| seen.key(who));
        self.ancestors.sort_unstable_by_key(|who| (who.at, seen.code(who.own), seen.code(who.remembered)));
        self.leftovers.sort_unstable_by_key(|name| seen.code(*name));
        self.number_files();
        self.leftovers.sort_unstable();
    }

    /// A contender, whatever the numbers of its files.
    fn key(&self, who: &Contender) -> impl Ord + use<> {
        let inodes = [who.guard, who.judged, who.born, who.swept, who.put, who.temporary];
        let locks = (who.has_guard, who.has_byte1, who.has_byte0, who.is_damaged);
        (who.at, inodes.map(|inode| self.code(inode)), locks, who.token, who.found, who.ending)
    }

    fn code(&self, inode: Option<Inode>) -> impl Ord + use<> {
        inode.map(|number| (self.guard != inode, self.record != inode, self.file(number)))
    }

    fn number_files(&mut self) {
        let mut old = [None; FILES];
        let mut count = 0;
        self.each_inode(|inode| {
            if !old[..count].contains(&Some(*inode)) {
                old[count] = Some(*inode);
                count += 1;
            }
        });
        let (files, labels) = (self.files, self.labels);
        for (new, old) in old.iter().enumerate() {
            self.files[new] = old.map_or(File::Free, |old| files[old.0 as usize]);
            self.labels[new] = old.map_or(Name(0), |old| labels[old.0 as usize]);
        }
        self.each_inode(|inode| {
            let new = old.iter().position(|old| *old == Some(*inode)).expect("it was numbered");
            *inode = Inode(u8::try_from(new).expect("few"));
        });
    }

    fn each_inode(&mut self, mut each: impl FnMut(&mut Inode)) {
        let contenders = self.contenders.iter_mut().flat_map(|who| {
            let Contender { guard, judged, born, swept, put, temporary, .. } = who;
            [guard, judged, born, swept, put, temporary]
        });
        let ancestors = self.ancestors.iter_mut().flat_map(|who| [&mut who.own, &mut who.remembered]);
        let names = [&mut self.guard, &mut self.record].into_iter();
        names
            .chain(contenders)
            .chain(ancestors)
            .chain(&mut self.leftovers)
            .filter_map(Option::as_mut)
            .for_each(&mut each);
    }

    fn free_files(&mut self, are_numbers_reused: bool) {
        let mut is_used = [false; FILES];
        let named = [self.guard, self.record].into_iter().chain(self.leftovers);
        let open = self
            .contenders
            .iter()
            .flat_map(|who| [who.guard, who.judged, who.born, who.swept, who.put, who.temporary]);
        let theirs =
            self.ancestors.iter().flat_map(|who| [who.own, who.remembered.filter(|_| !are_numbers_reused)]);
        for inode in named.chain(open).chain(theirs).flatten() {
            is_used[inode.0 as usize] = true;
        }
        for (file, is_used) in self.files.iter_mut().zip(is_used) {
            if !is_used {
                *file = File::Free;
            }
        }
    }

    fn rank_tokens(&mut self) {
        let mut known: u64 = 1;
        self.each_token(|token| known |= 1 << *token);
        let rank = |token: u8| u8::try_from((known & ((1 << token) - 1)).count_ones()).expect("at most 64");
        self.each_token(|token| *token = rank(*token));
    }

    fn each_token(&mut self, mut each: impl FnMut(&mut u8)) {
        for file in &mut self.files {
            match file {
                File::Guard(token) | File::Record(token) | File::Released(token) | File::Standing(token) => {
                    each(token);
                }
                File::Free | File::Ancestor { .. } | File::Empty { .. } => {}
            }
        }
        for who in &mut self.contenders {
            each(&mut who.token);
            if let Some(Whose::Baton(token)) = &mut who.found {
                each(token);
            }
        }
        if let Story::Unclean(Whose::Baton(token)) = &mut self.story {
            each(token);
        }
        each(&mut self.largest);
        each(&mut self.clock);
    }
}
