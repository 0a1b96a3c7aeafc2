mod properties;
mod scenarios;
mod single;
mod world;
