//! Which file imports what is defined in which other one.

use std::collections::BTreeMap;

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, ImplItem, Item, ItemUse, Macro, Path, Stmt, TraitItem, Visibility};

use crate::tree::{Tree, attributes, is_test, leaves};

/// What one file imports of another: the first place, and the path there.
pub struct Import {
    pub line: usize,
    pub path: String,
}

/// By importing and imported file.
pub type Imports = BTreeMap<(usize, usize), Import>;

/// All imports between files.
pub fn of(tree: &Tree) -> Imports {
    let mut found = Imports::new();
    for module in 0..tree.modules.len() {
        let mut finder = Finder { tree, module, found: &mut found };
        tree.modules[module].items.iter().for_each(|item| finder.visit_item(item));
    }
    found
}

struct Finder<'a> {
    tree: &'a Tree,
    module: usize,
    found: &'a mut Imports,
}

impl Finder<'_> {
    fn note(&mut self, path: &[String], line: usize) {
        let own = self.tree.modules[self.module].file;
        for file in self.tree.resolve(self.module, path) {
            if file != own {
                let import = || Import { line, path: path.join("::") };
                self.found.entry((own, file)).or_insert_with(import);
            }
        }
    }

    /// Paths among the tokens of a macro.
    fn note_tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let (mut line, mut colons) = (0, 0);
        for token in tokens {
            if let (TokenTree::Group(group), Some("pub")) = (&token, path.last().map(String::as_str)) {
                if is_visibility(group.stream()) {
                    path.clear();
                    continue;
                }
            }
            match &token {
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                TokenTree::Ident(ident) => {
                    if colons != 2 || path.is_empty() {
                        self.note_path(&mut path, line);
                        line = ident.span().start().line;
                    }
                    path.push(ident.to_string());
                    colons = 0;
                }
                _ => {
                    self.note_path(&mut path, line);
                    colons = 0;
                }
            }
            if let TokenTree::Group(group) = token {
                self.note_tokens(group.stream());
            }
        }
        self.note_path(&mut path, line);
    }

    fn note_path(&mut self, path: &mut Vec<String>, line: usize) {
        // A single name was imported by a `use`, which counts already.
        if path.len() > 1 {
            self.note(path, line);
        }
        path.clear();
    }
}

impl<'ast> Visit<'ast> for Finder<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        if !is_test(attributes(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item(&mut self, item: &'ast ImplItem) {
        let is_test = matches!(item, ImplItem::Fn(function) if is_test(&function.attrs));
        if !is_test {
            visit::visit_impl_item(self, item);
        }
    }

    fn visit_trait_item(&mut self, item: &'ast TraitItem) {
        let is_test = matches!(item, TraitItem::Fn(function) if is_test(&function.attrs));
        if !is_test {
            visit::visit_trait_item(self, item);
        }
    }

    fn visit_stmt(&mut self, statement: &'ast Stmt) {
        let is_test = matches!(statement, Stmt::Local(local) if is_test(&local.attrs));
        if !is_test {
            visit::visit_stmt(self, statement);
        }
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        if item.leading_colon.is_none() {
            leaves(&item.tree).iter().for_each(|leaf| self.note(&leaf.path, leaf.line));
        }
    }

    fn visit_path(&mut self, path: &'ast Path) {
        if path.leading_colon.is_none() && path.segments.len() > 1 {
            let names: Vec<_> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
            self.note(&names, path.segments[0].ident.span().start().line);
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, found: &'ast Macro) {
        self.note_tokens(found.tokens.clone());
    }

    /// Who may see an item is no import.
    fn visit_visibility(&mut self, _: &'ast Visibility) {}

    fn visit_attribute(&mut self, _: &'ast Attribute) {}
}

/// Whether this is what `pub` is followed by in `pub(in crate::a)`: who may see an item, and no import.
fn is_visibility(tokens: TokenStream) -> bool {
    const BEGINNINGS: [&str; 4] = ["crate", "in", "self", "super"];
    matches!(tokens.into_iter().next(), Some(TokenTree::Ident(first)) if BEGINNINGS.iter().any(|known| first == known))
}
