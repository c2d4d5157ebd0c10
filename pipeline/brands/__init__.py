"""Brands: a YAML file of names, aliases, exclusions and owner handles, found in texts of any script."""

from pipeline.brands.catalogue import Brand, Catalogue, Name
from pipeline.brands.loader import load_brands
from pipeline.brands.matcher import BrandMatcher
from pipeline.brands.watcher import BrandsWatcher

__all__ = ["Brand", "BrandMatcher", "BrandsWatcher", "Catalogue", "Name", "load_brands"]
