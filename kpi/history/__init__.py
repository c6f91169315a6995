"""The KPIs as they went: snapshots taken, thinned, added up over windows, drawn as series."""
