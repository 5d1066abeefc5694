//! The library's modules, and what each of their names stands for.

use std::collections::HashMap;

use proc_macro2::{TokenStream, TokenTree};
use syn::punctuated::Punctuated;
use syn::{Attribute, Item, Meta, Token, UseTree};

/// All modules, from `lib.rs` on.
pub struct Tree {
    pub modules: Vec<Module>,
    pub files: Vec<File>,
}

/// A file of modules.
pub struct File {
    /// Relative to `src`.
    pub path: String,
    /// The path of the module that it is, without `crate`.
    pub module: Vec<String>,
}

/// A module, in a file of its own or inside another one.
pub struct Module {
    pub file: usize,
    parent: Option<usize>,
    names: HashMap<String, Vec<Meaning>>,
    globs: Vec<Vec<String>>,
    pub items: Vec<Item>,
}

enum Meaning {
    /// It is defined in this module.
    Item,
    Module(usize),
    Import(Vec<String>),
}

/// How many imports may lead from one to the next.
const MAX_DEPTH: u32 = 32;

impl Tree {
    /// Reads what `lib.rs` and its modules are made of.
    pub fn read(read: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let mut tree = Self { modules: Vec::new(), files: Vec::new() };
        tree.file(&read, "lib.rs".to_owned(), Vec::new(), None)?;
        Ok(tree)
    }

    fn file(
        &mut self,
        read: &impl Fn(&str) -> Option<String>,
        path: String,
        module: Vec<String>,
        parent: Option<usize>,
    ) -> Result<usize, String> {
        let text = read(&path).ok_or_else(|| format!("cannot read {path}"))?;
        let parsed = syn::parse_file(&text).map_err(|error| format!("cannot parse {path}: {error}"))?;
        self.files.push(File { path, module: module.clone() });
        self.module(read, self.files.len() - 1, module, parent, parsed.items)
    }

    fn module(
        &mut self,
        read: &impl Fn(&str) -> Option<String>,
        file: usize,
        path: Vec<String>,
        parent: Option<usize>,
        items: Vec<Item>,
    ) -> Result<usize, String> {
        let own = self.modules.len();
        self.modules.push(Module {
            file,
            parent,
            names: HashMap::new(),
            globs: Vec::new(),
            items: Vec::new(),
        });
        for item in items {
            if is_test(attributes(&item)) {
                continue;
            }
            if let Item::Mod(module) = &item {
                let name = module.ident.to_string();
                let path = [&path[..], std::slice::from_ref(&name)].concat();
                let child = match &module.content {
                    Some((_, items)) => self.module(read, file, path, Some(own), items.clone())?,
                    None => {
                        let stem = path.join("/");
                        let [single, folder] = [format!("{stem}.rs"), format!("{stem}/mod.rs")];
                        let found = if read(&single).is_some() { single } else { folder };
                        self.file(read, found, path, Some(own))?
                    }
                };
                self.modules[own].name(name, Meaning::Module(child));
            } else {
                self.modules[own].define(&item);
                self.modules[own].items.push(item);
            }
        }
        Ok(own)
    }

    /// The files that define what a path means in a module: none if that is another crate's.
    pub fn resolve(&self, module: usize, path: &[String]) -> Vec<usize> {
        self.resolve_within(module, path, MAX_DEPTH)
    }

    fn resolve_within(&self, module: usize, path: &[String], depth: u32) -> Vec<usize> {
        let Some((first, rest)) = path.split_first() else { return vec![self.modules[module].file] };
        if depth == 0 {
            return Vec::new();
        }
        match first.as_str() {
            "crate" => self.inside(0, rest, depth - 1),
            "self" => self.inside_or_above(module, rest, depth - 1),
            "super" => match self.modules[module].parent {
                Some(parent) => self.inside_or_above(parent, rest, depth - 1),
                None => Vec::new(),
            },
            _ => self.inside(module, path, depth - 1),
        }
    }

    fn inside_or_above(&self, module: usize, path: &[String], depth: u32) -> Vec<usize> {
        match path.first().map(String::as_str) {
            Some("super") => self.resolve_within(module, path, depth),
            _ => self.inside(module, path, depth),
        }
    }

    /// What a path means by the names of a module. It comes from anywhere: who may see what is the compiler's business.
    fn inside(&self, module: usize, path: &[String], depth: u32) -> Vec<usize> {
        let own = &self.modules[module];
        let Some((name, rest)) = path.split_first() else { return vec![own.file] };
        if depth == 0 {
            return Vec::new();
        }
        let (mut modules, mut others) = (Vec::new(), Vec::new());
        for meaning in own.names.get(name).into_iter().flatten() {
            match meaning {
                Meaning::Item => others.push(own.file),
                Meaning::Module(child) => modules.extend(self.inside(*child, rest, depth - 1)),
                // A module of the same name as another crate, or as what is imported from it.
                Meaning::Import(target) if target.first() == Some(name) && !self.is_module(module, name) => {}
                Meaning::Import(target) => {
                    let target = [&target[..], rest].concat();
                    others.extend(self.resolve_within(module, &target, depth - 1));
                }
            }
        }
        // `use build::build`: a function beside the module of its name is the one that is meant.
        let mut found =
            if rest.is_empty() && !others.is_empty() { others } else { [modules, others].concat() };
        if found.is_empty() {
            let globs = own.globs.iter();
            found.extend(
                globs.flat_map(|glob| self.resolve_within(module, &[&glob[..], path].concat(), depth - 1)),
            );
        }
        found
    }

    fn is_module(&self, module: usize, name: &str) -> bool {
        let meanings = self.modules[module].names.get(name);
        meanings.into_iter().flatten().any(|meaning| matches!(meaning, Meaning::Module(_)))
    }
}

impl Module {
    fn name(&mut self, name: String, meaning: Meaning) {
        self.names.entry(name).or_default().push(meaning);
    }

    /// Notes the names that an item gives its module.
    fn define(&mut self, item: &Item) {
        let name = match item {
            Item::Const(item) => &item.ident,
            Item::Enum(item) => &item.ident,
            Item::Fn(item) => &item.sig.ident,
            Item::Static(item) => &item.ident,
            Item::Struct(item) => &item.ident,
            Item::Trait(item) => &item.ident,
            Item::TraitAlias(item) => &item.ident,
            Item::Type(item) => &item.ident,
            Item::Union(item) => &item.ident,
            Item::Use(item) if item.leading_colon.is_some() => return,
            Item::Use(item) => {
                for leaf in leaves(&item.tree) {
                    match leaf.name {
                        Some(name) => self.name(name, Meaning::Import(leaf.path)),
                        None => self.globs.push(leaf.path),
                    }
                }
                return;
            }
            Item::Macro(item) => {
                if let Some(name) = &item.ident {
                    self.name(name.to_string(), Meaning::Item);
                }
                for name in defined_in(item.mac.tokens.clone()) {
                    self.name(name, Meaning::Item);
                }
                return;
            }
            _ => return,
        };
        self.name(name.to_string(), Meaning::Item);
    }
}

/// One name that a `use` brings.
pub struct Leaf {
    pub path: Vec<String>,
    /// `None` for a glob.
    name: Option<String>,
    pub line: usize,
}

/// All that a `use` brings.
pub fn leaves(tree: &UseTree) -> Vec<Leaf> {
    fn walk(tree: &UseTree, before: &[String], found: &mut Vec<Leaf>) {
        let with = |name: String| [before, &[name]].concat();
        match tree {
            UseTree::Path(path) => walk(&path.tree, &with(path.ident.to_string()), found),
            UseTree::Group(group) => group.items.iter().for_each(|tree| walk(tree, before, found)),
            UseTree::Glob(glob) => {
                let line = glob.star_token.spans[0].start().line;
                found.push(Leaf { path: before.to_vec(), name: None, line });
            }
            UseTree::Name(name) => {
                let line = name.ident.span().start().line;
                // `use a::{self}` is `use a`.
                let path = if name.ident == "self" { before.to_vec() } else { with(name.ident.to_string()) };
                found.push(Leaf { name: path.last().cloned(), path, line });
            }
            UseTree::Rename(rename) => {
                let line = rename.ident.span().start().line;
                let path =
                    if rename.ident == "self" { before.to_vec() } else { with(rename.ident.to_string()) };
                found.push(Leaf { path, name: Some(rename.rename.to_string()), line });
            }
        }
    }
    let mut found = Vec::new();
    walk(tree, &[], &mut found);
    found
}

/// The names of the items that a macro such as `pin_project!` is given.
fn defined_in(tokens: TokenStream) -> Vec<String> {
    const KEYWORDS: [&str; 8] = ["const", "enum", "fn", "static", "struct", "trait", "type", "union"];
    let tokens: Vec<_> = tokens.into_iter().collect();
    let names = tokens.windows(2).filter_map(|pair| match pair {
        [TokenTree::Ident(keyword), TokenTree::Ident(name)]
            if KEYWORDS.iter().any(|known| keyword == known) =>
        {
            Some(name.to_string())
        }
        _ => None,
    });
    names.collect()
}

/// Whether something is there in tests only.
pub fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        Meta::Path(path) => path.is_ident("test"),
        Meta::List(list) if list.path.is_ident("cfg") => {
            list.parse_args::<Meta>().is_ok_and(|condition| !may_hold_without_tests(&condition))
        }
        _ => false,
    })
}

fn may_hold_without_tests(condition: &Meta) -> bool {
    let Meta::List(list) = condition else { return !condition.path().is_ident("test") };
    let Ok(parts) = list.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated) else {
        return true;
    };
    match () {
        () if list.path.is_ident("all") => parts.iter().all(may_hold_without_tests),
        () if list.path.is_ident("any") => parts.iter().any(may_hold_without_tests),
        () => true,
    }
}

/// The attributes of an item.
pub fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Union(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}
