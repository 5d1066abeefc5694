#![doc = include_str!("../../../src/manual/recipes.md")]
