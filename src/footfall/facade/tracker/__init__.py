"""The interface of trackerapi on footfall: change the import, and keep the code."""
