"""What footfall costs and delivers, as ratios against references measured in the same run (design.md section 6)."""
