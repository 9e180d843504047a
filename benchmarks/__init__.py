"""What Civitas costs, side by side with the least code that can do the same job."""
